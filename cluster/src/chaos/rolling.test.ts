import { expect, it } from "vitest";
import { mostWithin } from "./rolling.ts";

it("finds the busiest stretch, wherever it begins", () => {
  expect(mostWithin([], 1_000)).toBe(0);
  expect(mostWithin([5], 1_000)).toBe(1);
  expect(mostWithin([0, 999, 1_000, 1_500, 1_998, 5_000], 1_000)).toBe(4);
  expect(mostWithin([0, 1_000, 2_000], 1_000)).toBe(1);
});
