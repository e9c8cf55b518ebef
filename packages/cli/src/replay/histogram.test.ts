import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHistogram } from "./histogram.ts";

describe("a histogram", () => {
  it("is exact to the microsecond for short times", () => {
    const histogram = createHistogram();
    for (let us = 1; us <= 1000; us++) histogram.record(us / 1000);
    expect(histogram.count).toBe(1000);
    expect(histogram.percentile(0.5)).toBe(0.5);
    expect(histogram.percentile(0.99)).toBe(0.99);
    expect(histogram.percentile(1)).toBe(1);
    expect(histogram.percentile(0)).toBe(0.001);
  });

  it("is 0 when it is empty, and takes the shortest and the longest times", () => {
    const histogram = createHistogram();
    expect(histogram.percentile(0.99)).toBe(0);
    histogram.record(0);
    expect(histogram.percentile(0.99)).toBe(0);
    histogram.record(Number.MAX_VALUE);
    expect(histogram.percentile(1)).toBeGreaterThan(1e9);
  });

  it("is never off by more than a thousandth", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.001, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, part) => {
          const histogram = createHistogram();
          for (const value of values) histogram.record(value);
          const sorted = values.toSorted((one, other) => one - other);
          const exact = sorted[Math.max(1, Math.ceil(part * values.length)) - 1] ?? 0;
          expect(Math.abs(histogram.percentile(part) - exact)).toBeLessThanOrEqual(Math.max(0.001, exact / 1000));
        },
      ),
    );
  });
});
