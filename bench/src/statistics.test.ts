import { expect, test } from "vitest";
import { median, medianRatio, percentile } from "./statistics.ts";

test("a percentile is the sample at its nearest rank, whatever their order", () => {
  const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentile(samples, 0.5)).toBe(50);
  expect(percentile(samples, 0.99)).toBe(99);
  expect(percentile(samples, 1)).toBe(100);
  expect(percentile(samples, 0)).toBe(1);
  expect(percentile([7], 0.99)).toBe(7);
});

test("without samples there is no percentile and no median", () => {
  expect(percentile([], 0.5)).toBeNaN();
  expect(median([])).toBeNaN();
});

test("a median is the middle sample, or lies half-way between the two", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("one disturbed round does not move a median of ratios", () => {
  expect(medianRatio([2, 20, 2], [4, 40, 1])).toBe(0.5);
});
