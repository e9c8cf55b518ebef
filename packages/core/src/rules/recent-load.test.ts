import { expect, test } from "vitest";
import { RecentLoad } from "./recent-load.ts";

/** The rest after so much a second for a second, that comes every so many milliseconds. */
function restAt(perSecond: number, everyMs: number): number {
  const load = new RecentLoad({ quiet: 10, busy: 50, restMsMax: 50 });
  for (let atMs = 0; atMs <= 1_000; atMs += everyMs) load.note((perSecond * everyMs) / 1_000, atMs);
  return load.restMs;
}

test("where there is little to do, nothing waits", () => {
  expect(restAt(20, 50)).toBe(0);
  expect(restAt(50, 20)).toBe(0);
  const load = new RecentLoad({ quiet: 10, busy: 50, restMsMax: 50 });
  load.note(8, 1_000);
  expect(load.restMs).toBe(0);
});

test("the rest grows with what there is to do, up to its bound", () => {
  const rests = [200, 300, 400, 1_000, 10_000].map((perSecond) => restAt(perSecond, 10));
  expect(rests).toEqual([...rests].sort((a, b) => a - b));
  expect(rests[0]).toBeGreaterThan(0);
  expect(rests[0]).toBeLessThan(rests[1] ?? 0);
  expect(rests.slice(-2)).toEqual([50, 50]);
});

test("what was busy and is quiet again does not wait", () => {
  const load = new RecentLoad({ quiet: 10, busy: 50, restMsMax: 50 });
  load.note(1_000, 0);
  expect(load.restMs).toBe(50);
  load.note(1, 1_000);
  expect(load.restMs).toBe(0);
});
