import { formatCount } from "../progress.ts";
import type { DeliveryCounts } from "./checker.ts";
import type { Histogram } from "./histogram.ts";

/** The one JSON object of a replay; these keys, and no others. */
export type ReplaySummary = {
  readonly files: number;
  readonly users: number;
  readonly groups: number;
  readonly sent: number;
  readonly acked: number;
  readonly expected_deliveries: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly misordered: number;
  readonly restarts: number;
  readonly ack_p50_ms: number;
  readonly ack_p99_ms: number;
  readonly deliver_p50_ms: number;
  readonly deliver_p99_ms: number;
  readonly seconds: number;
};

export function summarize(facts: {
  files: number;
  users: number;
  groups: number;
  sent: number;
  acked: number;
  counts: DeliveryCounts;
  restarts: number;
  ackLatencies: Histogram;
  deliveryLatencies: Histogram;
  durationMs: number;
}): ReplaySummary {
  const { counts, ackLatencies, deliveryLatencies } = facts;
  return {
    files: facts.files,
    users: facts.users,
    groups: facts.groups,
    sent: facts.sent,
    acked: facts.acked,
    expected_deliveries: counts.expected,
    delivered: counts.delivered,
    lost: counts.lost,
    duplicated: counts.duplicated,
    misordered: counts.misordered,
    restarts: facts.restarts,
    ack_p50_ms: toThreeDecimals(ackLatencies.percentile(0.5)),
    ack_p99_ms: toThreeDecimals(ackLatencies.percentile(0.99)),
    deliver_p50_ms: toThreeDecimals(deliveryLatencies.percentile(0.5)),
    deliver_p99_ms: toThreeDecimals(deliveryLatencies.percentile(0.99)),
    seconds: toThreeDecimals(facts.durationMs / 1000),
  };
}

/** Did every session get everything once, whole and in order? */
export function isFlawless(summary: ReplaySummary): boolean {
  return (
    summary.lost === 0 &&
    summary.duplicated === 0 &&
    summary.misordered === 0 &&
    summary.acked === summary.sent &&
    summary.delivered === summary.expected_deliveries
  );
}

export function formatSummary(summary: ReplaySummary, remarks: readonly string[]): string[] {
  const perSecond = (count: number) => formatCount(Math.round(count / Math.max(summary.seconds, 0.001)));
  const restarts = summary.restarts === 0 ? "" : `, ${plural(summary.restarts, "restart")}`;
  return [
    `${plural(summary.files, "file")}, ${plural(summary.users, "user")}, ${plural(summary.groups, "group")}${restarts}`,
    `sent        ${plural(summary.sent, "message")}, ${formatCount(summary.acked)} acknowledged`,
    `delivered   ${formatCount(summary.delivered)} of ${formatCount(summary.expected_deliveries)}: ` +
      `${formatCount(summary.lost)} lost, ${formatCount(summary.duplicated)} duplicated, ${formatCount(summary.misordered)} misordered`,
    `took        ${summary.seconds.toFixed(1)} s: ${perSecond(summary.sent)} messages/s, ${perSecond(summary.delivered)} deliveries/s`,
    `acknowledged after  p50 ${formatMs(summary.ack_p50_ms)}, p99 ${formatMs(summary.ack_p99_ms)}`,
    `delivered after     p50 ${formatMs(summary.deliver_p50_ms)}, p99 ${formatMs(summary.deliver_p99_ms)}`,
    ...remarks,
    isFlawless(summary)
      ? "✓ Nothing was lost, doubled or out of order."
      : "✗ Not everything arrived once, whole and in order.",
  ];
}

const toThreeDecimals = (value: number): number => Math.round(value * 1000) / 1000;
const formatMs = (ms: number): string => `${ms < 10 ? ms.toFixed(2) : Math.round(ms).toString()} ms`;
const plural = (count: number, noun: string): string => `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
