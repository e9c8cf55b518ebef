import { invariant, type Clock } from "@tidings/core";

/**
 * A token bucket for each key, kept as one number: the moment at which the bucket will be full again (the generic cell
 * rate algorithm, ITU-T I.371). Absent and full are the same, so that a key which pauses costs nothing.
 */
export type RateLimiter = {
  /** Takes `amount` (1 unless told, at most the burst) from the bucket of a key, or says when that much will be there. */
  take(key: string, amount?: number): Taken;
  /** Puts back what was taken and turned out not to count. */
  giveBack(key: string, amount?: number): void;
  readonly size: number;
};

export type Taken = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

export type RateLimiterOptions = {
  readonly perSecond: number;
  readonly burst: number;
  /** How many keys are remembered; beyond that the one that came first, of those not full, is let go early (G8). */
  readonly keysMax: number;
  readonly clock: Clock;
};

export function createRateLimiter({ perSecond, burst, keysMax, clock }: RateLimiterOptions): RateLimiter {
  invariant(perSecond > 0 && burst >= 1 && keysMax >= 1, "A rate, a burst and a number of keys are positive.");
  const intervalMs = 1_000 / perSecond;
  const burstMs = burst * intervalMs;
  const fullAgainAtMs = new Map<string, number>();

  return {
    take(key, amount = 1) {
      const nowMs = clock.monotonicMs();
      const before = fullAgainAtMs.get(key);
      const after = Math.max(before ?? nowMs, nowMs) + Math.min(amount, burst) * intervalMs;
      const tooEarlyMs = after - nowMs - burstMs;
      // A thousandth of a millisecond is forgiven: sums of fractions are not exact.
      if (tooEarlyMs > 0.001) return { ok: false, retryAfterMs: Math.ceil(tooEarlyMs) };
      if (before === undefined && fullAgainAtMs.size >= keysMax) makeRoom(nowMs);
      fullAgainAtMs.set(key, after);
      return taken;
    },
    giveBack(key, amount = 1) {
      const before = fullAgainAtMs.get(key);
      if (before !== undefined) fullAgainAtMs.set(key, before - Math.min(amount, burst) * intervalMs);
    },
    get size() {
      return fullAgainAtMs.size;
    },
  };

  /** Lets the first full bucket go; of the few looked at, those not full get a second chance behind all others. */
  function makeRoom(nowMs: number): void {
    let looks = secondChancesMax;
    for (const [key, fullAtMs] of fullAgainAtMs) {
      fullAgainAtMs.delete(key);
      looks -= 1;
      if (fullAtMs <= nowMs || looks === 0) return;
      fullAgainAtMs.set(key, fullAtMs);
    }
  }
}

const taken: Taken = { ok: true };
/** Bounds the work of one `take` in a full map. */
const secondChancesMax = 8;
