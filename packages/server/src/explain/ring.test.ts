import { describe, expect, it } from "vitest";
import { Ring } from "./ring.ts";

describe("a ring", () => {
  it("keeps the last items, newest first, and never more than its bound (G8)", () => {
    const ring = new Ring<number>(3);
    const kept: number[][] = [];
    for (let item = 1; item <= 7; item += 1) {
      ring.push(item);
      kept.push([...ring.newestFirst()]);
    }
    expect(kept).toEqual([[1], [2, 1], [3, 2, 1], [4, 3, 2], [5, 4, 3], [6, 5, 4], [7, 6, 5]]);
  });

  it("finds the newest item that matches", () => {
    const ring = new Ring<{ key: string; place: number }>(3);
    for (const [place, key] of ["a", "b", "a", "c"].entries()) ring.push({ key, place });
    expect(ring.findNewest(({ key }) => key === "a")).toEqual({ key: "a", place: 2 });
    expect(ring.findNewest(({ key }) => key === "x")).toBeUndefined();
  });
});
