import { expect, test } from "vitest";
import { createManualClock } from "./manual-clock.ts";

test("a manual clock fires timers in the order of their times, and those of one time in the order of their setting", async () => {
  const clock = createManualClock();
  const fired: string[] = [];
  clock.after(20, () => fired.push(`c at ${clock.monotonicMs()}`));
  clock.after(10, () => fired.push("a"));
  clock.after(10, () => fired.push("b"));
  await clock.advance(19);
  expect(fired).toEqual(["a", "b"]);
  await clock.advance(1);
  expect(fired).toEqual(["a", "b", "c at 20"]);
});

test("a manual clock fires timers that are set on the way, after what they wake has run", async () => {
  const clock = createManualClock();
  const times: number[] = [];
  const ticking = (async () => {
    for (let tick = 0; tick < 3; tick += 1) {
      await clock.sleep(10);
      times.push(clock.monotonicMs());
    }
  })();
  await clock.advance(100);
  await ticking;
  expect(times).toEqual([10, 20, 30]);
  expect(clock.monotonicMs()).toBe(100);
});

test("a cancelled timer does not fire, and an aborted sleep ends at once and leaves no timer", async () => {
  const clock = createManualClock();
  let fired = false;
  const cancel = clock.after(5, () => {
    fired = true;
  });
  cancel();
  const stop = new AbortController();
  const sleeping = clock.sleep(1_000, stop.signal);
  stop.abort();
  await sleeping;
  await clock.advance(10);
  expect(fired).toBe(false);
  expect(clock.timersPending).toBe(0);
});

test("the wall time may jump while the monotonic time does not", () => {
  const clock = createManualClock({ startMs: 1_000 });
  clock.jumpWall(-400);
  expect(clock.nowMs()).toBe(600);
  expect(clock.monotonicMs()).toBe(0);
});
