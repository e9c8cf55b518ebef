import type { Finding } from "./finding.ts";

/** A server's clock, asked between two readings of this machine's. */
export type ClockReading = {
  readonly whose: string;
  readonly serverMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
};

/**
 * How far the clocks are apart at the least: what lies between the two readings is no difference. Nothing is ordered by clocks (decision
 * 7), but tokens and invitations end by them, and what people see.
 */
export function checkClocks(readings: readonly ClockReading[]): readonly Finding[] {
  return readings.map(({ whose, serverMs, beforeMs, afterMs }) => {
    const aheadMs = Math.max(0, serverMs - afterMs);
    const behindMs = Math.max(0, beforeMs - serverMs);
    const apartMs = Math.max(aheadMs, behindMs);
    const what = `clock of ${whose}`;
    if (apartMs <= apartMsGood) return { level: "good", what, says: "agrees with this machine's" };
    const says = `${(apartMs / 1_000).toFixed(1)} s ${aheadMs > 0 ? "ahead of" : "behind"} this machine's`;
    return { level: apartMs <= apartMsNoted ? "note" : "bad", what, says: `${says}; keep them together (NTP)` };
  });
}

const apartMsGood = 1_000;
/** What is tolerated of an issuer's clock by default: beyond it tokens are refused. */
const apartMsNoted = 5_000;
