import type { Clock } from "@tidings/core";
import type { Logger } from "pino";
import type { Authenticator } from "../services.ts";
import type { Session } from "./session.ts";
import { SlowChecks } from "./slow-checks.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";

/**
 * Ends sessions whose tokens were revoked. In a fleet another machine tells of it, and the message may be lost, or come before the
 * session can be found; a session shows its token once only, so that it would otherwise live for ever. Undefined where that cannot
 * happen.
 */
export function createTokenChecks(parts: {
  clock: Clock;
  log: Logger;
  cache: UserSocketCache;
  authenticator: Authenticator;
}): SlowChecks<Session> | undefined {
  const { clock, log, cache, authenticator } = parts;
  if (authenticator.revokedOf === undefined) return undefined;

  async function check(sessions: readonly Session[]): Promise<void> {
    const revoked = await authenticator.revokedOf?.(sessions.map(({ caller }) => caller));
    for (const session of sessions) if (!session.closed && revoked?.has(session.caller)) session.end("token-revoked");
  }

  return new SlowChecks<Session>({ clock, log, all: () => cache.sessions(), check, walkMsMin, roundMax });
}

/** Each costs a look at the database: 2,000 sessions take 20 seconds, 50,000 take eight minutes. */
const roundMax = 100;
const walkMsMin = 20_000;
