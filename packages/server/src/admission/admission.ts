import type { Clock, Random } from "@tidings/core";
import { createRateLimiter, type Taken } from "./rate-limiter.ts";

/**
 * The pace at which sessions are admitted. Resumes have a budget of their own, so that a storm of new clients does not
 * keep out those who were here before.
 */
export type Admission = {
  /** Admits one session, or says after how long its client should come back: drawn, so that they do not all come at once. */
  admit(kind: "login" | "resume"): Taken;
  /** How many were sent away since the start. */
  readonly refused: { readonly login: number; readonly resume: number };
};

export type AdmissionOptions = {
  readonly loginsPerSecond: number;
  readonly resumesPerSecond: number;
  readonly clock: Clock;
  readonly random: Random;
};

export function createAdmission({ loginsPerSecond, resumesPerSecond, clock, random }: AdmissionOptions): Admission {
  const budgets = { login: createBudget(loginsPerSecond), resume: createBudget(resumesPerSecond) };
  const refused = { login: 0, resume: 0 };
  return {
    refused,
    admit(kind) {
      const taken = budgets[kind]();
      if (!taken.ok) refused[kind] += 1;
      return taken;
    },
  };

  /**
   * Who is refused is counted into an imaginary queue that shrinks at the admitted rate. The retry time is drawn from the
   * time which that queue needs, so that clients come back at about the rate at which they can be admitted.
   */
  function createBudget(perSecond: number): () => Taken {
    // A second's worth at once: a restart's first wave is served, not sent away.
    const limiter = createRateLimiter({ perSecond, burst: perSecond, keysMax: 1, clock });
    let queueEndsAtMs = 0;
    return () => {
      const outcome = limiter.take("all");
      if (outcome.ok) return outcome;
      const nowMs = clock.monotonicMs();
      queueEndsAtMs = Math.min(Math.max(queueEndsAtMs, nowMs) + 1_000 / perSecond, nowMs + retryMsMax);
      const spanMs = Math.max(queueEndsAtMs - nowMs, retrySpanMsMin);
      return { ok: false, retryAfterMs: Math.ceil(outcome.retryAfterMs + random.fraction() * spanMs) };
    };
  }
}

const retrySpanMsMin = 1_000;
const retryMsMax = 60_000;
