import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createManualClock } from "@tidings/core";
import { createRateLimiter } from "./rate-limiter.ts";

const open = (options: { perSecond?: number; burst?: number; keysMax?: number } = {}) => {
  const clock = createManualClock();
  return { clock, limiter: createRateLimiter({ perSecond: 10, burst: 3, keysMax: 1_000, clock, ...options }) };
};

describe("a rate limiter", () => {
  it("gives a burst at once, then the rate, and says when the next will be given", async () => {
    const { clock, limiter } = open();
    for (let count = 0; count < 3; count += 1) expect(limiter.take("a")).toEqual({ ok: true });
    expect(limiter.take("a")).toEqual({ ok: false, retryAfterMs: 100 });
    expect(limiter.take("b")).toEqual({ ok: true });
    await clock.advance(99);
    expect(limiter.take("a")).toEqual({ ok: false, retryAfterMs: 1 });
    await clock.advance(1);
    expect(limiter.take("a")).toEqual({ ok: true });
    expect(limiter.take("a").ok).toBe(false);
  });

  it("takes nothing for what it refuses, and can be given back", async () => {
    const { limiter } = open();
    expect(limiter.take("a", 2)).toEqual({ ok: true });
    expect(limiter.take("a", 2)).toEqual({ ok: false, retryAfterMs: 100 });
    expect(limiter.take("a", 1)).toEqual({ ok: true });
    limiter.giveBack("a", 3);
    expect(limiter.take("a", 3)).toEqual({ ok: true });
  });

  it("never gives more than burst + rate × time, and always what it promised", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 500 }), amount: fc.integer({ min: 1, max: 3 }) })),
        async (steps) => {
          const { clock, limiter } = open();
          let given = 0;
          for (const { waitMs, amount } of steps) {
            await clock.advance(waitMs);
            const outcome = limiter.take("a", amount);
            if (outcome.ok) given += amount;
            expect(given).toBeLessThanOrEqual(3 + clock.monotonicMs() / 100 + 0.001);
            if (outcome.ok) continue;
            await clock.advance(outcome.retryAfterMs);
            expect(limiter.take("a", amount)).toEqual({ ok: true });
            given += amount;
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("remembers a bounded number of keys, those whose bucket is empty the longest", async () => {
    const { clock, limiter } = open({ keysMax: 100, burst: 1 });
    limiter.take("hot");
    for (let index = 0; index < 100; index += 1) {
      limiter.take(`old${index}`);
      await clock.advance(1);
      limiter.take("hot");
    }
    await clock.advance(100);
    limiter.take("hot");
    for (let index = 0; index < 10_000; index += 1) {
      limiter.take(`new${index}`);
      if (index < 90) expect(limiter.take("hot").ok).toBe(false);
    }
    expect(limiter.size).toBe(100);
  });
});
