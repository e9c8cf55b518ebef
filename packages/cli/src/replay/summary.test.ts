import { describe, expect, it } from "vitest";
import { createHistogram } from "./histogram.ts";
import { formatSummary, isFlawless, summarize } from "./summary.ts";

const counts = {
  expected: 2_000,
  delivered: 2_000,
  lost: 0,
  duplicated: 0,
  misordered: 0,
  altered: 0,
  firstTrouble: undefined,
};

function summary(changes: Partial<typeof counts> & { acked?: number } = {}) {
  const { acked = 20, ...changed } = changes;
  const [ackLatencies, deliveryLatencies] = [createHistogram(), createHistogram()];
  ackLatencies.record(1.23456);
  deliveryLatencies.record(2);
  return summarize({
    files: 2,
    users: 100,
    groups: 2,
    sent: 20,
    acked,
    counts: { ...counts, ...changed },
    restarts: 3,
    ackLatencies,
    deliveryLatencies,
    durationMs: 1_234.56789,
  });
}

describe("the summary of a replay", () => {
  it("has exactly the keys that its readers rely on, times in milliseconds with three decimals", () => {
    expect(summary()).toEqual({
      files: 2,
      users: 100,
      groups: 2,
      sent: 20,
      acked: 20,
      expected_deliveries: 2_000,
      delivered: 2_000,
      lost: 0,
      duplicated: 0,
      misordered: 0,
      restarts: 3,
      ack_p50_ms: 1.234,
      ack_p99_ms: 1.234,
      deliver_p50_ms: 2,
      deliver_p99_ms: 2,
      seconds: 1.235,
    });
  });

  it("is flawless only when all was acknowledged and delivered once and in order", () => {
    expect(isFlawless(summary())).toBe(true);
    expect(isFlawless(summary({ lost: 1, delivered: 1_999 }))).toBe(false);
    expect(isFlawless(summary({ duplicated: 1 }))).toBe(false);
    expect(isFlawless(summary({ misordered: 1 }))).toBe(false);
    expect(isFlawless(summary({ acked: 19 }))).toBe(false);
  });

  it("reads well, with what went wrong in words", () => {
    const lines = formatSummary(summary({ lost: 1, delivered: 1_999 }), ["The first trouble: bob got nothing."]);
    expect(lines[0]).toBe("2 files, 100 users, 2 groups, 3 restarts");
    expect(lines.join("\n")).toContain("delivered   1,999 of 2,000: 1 lost, 0 duplicated, 0 misordered");
    expect(lines.at(-2)).toBe("The first trouble: bob got nothing.");
    expect(lines.at(-1)).toMatch(/^✗/);
    expect(formatSummary(summary(), []).at(-1)).toMatch(/^✓/);
  });
});
