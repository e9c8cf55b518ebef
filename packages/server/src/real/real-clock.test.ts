import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createRealClock } from "./real-clock.ts";
import { createRealRandom } from "./real-random.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a delay beyond what the platform's timers can count does not fire at once", () => {
  const days = 24 * 3600 * 1000;
  let fired = 0;
  const clock = createRealClock();
  clock.after(60 * days, () => {
    fired += 1;
  });
  vi.advanceTimersByTime(60 * days - 1);
  expect(fired).toBe(0);
  vi.advanceTimersByTime(1);
  expect(fired).toBe(1);
});

test("a timer is cancelled also in a later stage", () => {
  const days = 24 * 3600 * 1000;
  const cancel = createRealClock().after(60 * days, () => expect.unreachable());
  vi.advanceTimersByTime(40 * days);
  cancel();
  vi.advanceTimersByTime(40 * days);
  expect(vi.getTimerCount()).toBe(0);
});

test("a sleep ends when its signal aborts", async () => {
  const stop = new AbortController();
  const sleeping = createRealClock().sleep(1_000_000, stop.signal);
  stop.abort();
  await sleeping;
  expect(vi.getTimerCount()).toBe(0);
});

test("what is unguessable has the length asked for, and only letters and digits", () => {
  const { unguessable } = createRealRandom();
  const many = Array.from({ length: 200 }, () => unguessable(26));
  expect(new Set(many).size).toBe(200);
  for (const text of many) expect(text).toMatch(/^[a-z0-9]{26}$/);
  expect(new Set(many.join("")).size).toBe(36);
});
