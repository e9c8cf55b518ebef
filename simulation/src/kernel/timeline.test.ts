import fc from "fast-check";
import { expect, test } from "vitest";
import { EventHeap } from "./event-heap.ts";
import { SimProcess } from "./sim-process.ts";
import { Timeline } from "./timeline.ts";

test("the heap gives events out by their time, and those of one time in their order", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const heap = new EventHeap<{ atMs: number; order: number }>();
      const events = times.map((atMs, order) => ({ atMs, order }));
      for (const event of events) heap.push(event);
      const given = events.map(() => heap.pop());
      expect(given).toEqual([...events].sort((a, b) => a.atMs - b.atMs || a.order - b.order));
      expect(heap.pop()).toBeUndefined();
    }),
  );
});

test("promises run as far as they can before the next event", async () => {
  const timeline = new Timeline();
  const seen: string[] = [];
  timeline.at(1, undefined, () => {
    void Promise.resolve()
      .then(() => undefined)
      .then(() => seen.push("what follows from the first"));
  });
  timeline.at(1, undefined, () => seen.push("the second"));
  await timeline.run(10);
  expect(seen).toEqual(["what follows from the first", "the second"]);
  expect(timeline.nowMs).toBe(10);
});

test("a process that died does nothing more, and one that stalls does it later, in order", async () => {
  const timeline = new Timeline();
  const [dead, slow] = [new SimProcess(timeline, { place: "dead" }), new SimProcess(timeline, { place: "slow" })];
  const seen: string[] = [];
  dead.clock.after(5, () => seen.push("dead"));
  slow.clock.after(5, () => seen.push(`first at ${timeline.nowMs}`));
  slow.clock.after(6, () => seen.push(`second at ${timeline.nowMs}`));
  timeline.at(1, undefined, () => {
    dead.kill();
    slow.stall(100);
  });
  await timeline.run(200);
  expect(seen).toEqual(["first at 101", "second at 101"]);
});

test("timers of no time at all, for ever, are noticed", async () => {
  const timeline = new Timeline();
  const again = (): void => {
    timeline.at(timeline.nowMs, undefined, again);
  };
  again();
  await expect(timeline.run(1)).rejects.toThrow("Time goes on");
});
