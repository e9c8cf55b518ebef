import { expect, test } from "vitest";
import { metricValue } from "./load/http-calls.ts";
import { atLeast, atMost, readable, rounded, table } from "./report.ts";

test("figures are readable at every size", () => {
  expect(readable(0.12345)).toBe("0.123");
  expect(readable(1.2345, "ms")).toBe("1.23 ms");
  expect(readable(12.345)).toBe("12.3");
  expect(readable(1_234_567.8)).toBe("1,234,568");
});

test("a table shows each figure beside its peer, and whether its aim is met", () => {
  const text = table({
    title: "Title",
    rows: [
      { what: "a", ours: "1 s", peer: "ws", theirs: "2 s", ratio: 0.5, aim: atMost(0.5, 1) },
      { what: "b", ours: "7", aim: atLeast(7, 8) },
    ],
    figures: {},
  });
  expect(text).toContain("a      1 s  ws      2 s   0.50  ✓ ≤ 1");
  expect(text).toContain("✗ ≥ 8");
});

test("figures are rounded for JSON to four digits", () => {
  expect(rounded({ sends_per_s: 20123.456, memory_vs_ws: 1.23456 })).toEqual({
    sends_per_s: 20120,
    memory_vs_ws: 1.235,
  });
});

test("a metric is read from the text format, and one that is not there is named", () => {
  const metrics = "# TYPE tidings_a_total counter\ntidings_a_total 12\ntidings_ab_total 1.5e+3\n";
  expect(metricValue(metrics, "tidings_a_total")).toBe(12);
  expect(metricValue(metrics, "tidings_ab_total")).toBe(1500);
  expect(() => metricValue(metrics, "tidings_b_total")).toThrow("tidings_b_total");
});
