import { TidingsError, type UserId } from "@tidings/protocol";
import type { Clock } from "@tidings/core";
import type { Settings } from "../settings.ts";
import { createRateLimiter } from "./rate-limiter.ts";

/** The rates at which this machine takes messages and requests, over all transports. Each method throws `rate-limited`. */
export type RateLimits = {
  /** Before a message of the user, from a socket or over HTTP. */
  checkMessage(user: UserId): void;
  /** Before any other request or frame of the user. */
  checkRequest(user: UserId): void;
  /** Before a request without a token. */
  checkAddress(address: string): void;
};

type Rates = Pick<Settings, "messagesPerSecond" | "messagesBurst" | "requestsPerSecond" | "requestsBurst">;

/** Keys remembered by each limiter; at some 100 bytes a key. */
const keysMax = 100_000;

export function createRateLimits(settings: Rates, clock: Clock): RateLimits {
  const requests = { perSecond: settings.requestsPerSecond, burst: settings.requestsBurst, keysMax, clock };
  const messagesOfUser = createRateLimiter({
    perSecond: settings.messagesPerSecond,
    burst: settings.messagesBurst,
    keysMax,
    clock,
  });
  const requestsOfUser = createRateLimiter(requests);
  const requestsOfAddress = createRateLimiter(requests);
  return {
    checkMessage: (user) => refuseIfOver(messagesOfUser.take(user)),
    checkRequest: (user) => refuseIfOver(requestsOfUser.take(user)),
    checkAddress: (address) => refuseIfOver(requestsOfAddress.take(address)),
  };
}

function refuseIfOver(outcome: { ok: true } | { ok: false; retryAfterMs: number }): void {
  if (!outcome.ok) throw new TidingsError("rate-limited", { retryAfterMs: outcome.retryAfterMs });
}
