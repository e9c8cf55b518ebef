import { TidingsError } from "@tidings/protocol";
import type { Clock } from "@tidings/core";
import { createRateLimiter, type RateLimiter } from "../admission/rate-limiter.ts";
import type { Settings } from "../settings.ts";

/**
 * How often passwords may be tried. The narrow limit is for a name from one address, so that nobody can lock others out of
 * their accounts; wider ones bound what many addresses try on a name, and one address on many names.
 */
export type AttemptLimits = {
  /** Counts an attempt before the password is looked at; throws `too-many-attempts`. The answer takes a good one back. */
  checkLogin(name: string, address: string): () => void;
  /** Throws `too-many-attempts`. */
  checkSignUp(address: string): void;
};

type Rates = Pick<Settings, "loginAttemptsPerMinute" | "signUpsPerMinute">;

export function createAttemptLimits(settings: Rates, clock: Clock): AttemptLimits {
  const perMinute = (rate: number): RateLimiter =>
    createRateLimiter({ perSecond: rate / 60, burst: rate, keysMax, clock });
  const narrow = perMinute(settings.loginAttemptsPerMinute);
  const wide = perMinute(settings.loginAttemptsPerMinute * widerBy);
  const signUps = perMinute(settings.signUpsPerMinute);

  return {
    checkLogin(name, address) {
      const lowerName = name.toLowerCase();
      const pair = `${lowerName} ${address}`;
      const taken: (() => void)[] = [];
      const takeBack = () => {
        for (const undo of taken) undo();
      };
      const take = (limiter: RateLimiter, key: string): void => {
        const outcome = limiter.take(key);
        if (outcome.ok) {
          taken.push(() => limiter.giveBack(key));
          return;
        }
        takeBack();
        throw new TidingsError("too-many-attempts", { retryAfterMs: outcome.retryAfterMs });
      };
      take(narrow, pair);
      take(wide, `name ${lowerName}`);
      take(wide, `address ${address}`);
      return takeBack;
    },
    checkSignUp(address) {
      const outcome = signUps.take(address);
      if (!outcome.ok) throw new TidingsError("too-many-attempts", { retryAfterMs: outcome.retryAfterMs });
    },
  };
}

const widerBy = 10;
const keysMax = 100_000;
