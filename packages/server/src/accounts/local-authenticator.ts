import { asTokenId, TidingsError, type TokenId, type UserId } from "@tidings/protocol";
import type { AccountRecord, Clock, Stores, TokenRecord } from "@tidings/core";
import { LruMap } from "../lru-map.ts";
import type { Authenticator, Caller } from "../services.ts";
import { parseToken, secretMatches } from "./token.ts";

/**
 * Tokens of local accounts. Each request shows one, so those in use are cached; `forgetTokens` is called with every change,
 * so that a revocation holds from the next request on.
 */
export interface LocalAuthenticator extends Authenticator {
  /** The user's tokens, or his account, are not what they were. */
  forgetTokens(user: UserId): void;
}

export function createLocalAuthenticator(
  accounts: Stores["accounts"],
  clock: Clock,
  tokensLiveMs = Number.POSITIVE_INFINITY,
): LocalAuthenticator {
  const known = new LruMap<TokenId, Known>(knownMax, (token, { caller }) => unlink(caller.user.user_id, token));
  const tokensOf = new Map<UserId, readonly TokenId[]>();
  /** Counts the changes: what was read before one and arrives after it is not kept. */
  let changes = 0;

  return {
    async authenticate(token) {
      const parts = parseToken(token);
      if (parts === undefined) throw new TidingsError("token-invalid");
      const found = liveOnly(known.get(parts.id)) ?? (await read(parts.id));
      // Whoever holds no valid secret learns nothing about the token, not even that it was revoked.
      if (found === undefined || !secretMatches(parts.secret, found.secretHash)) {
        throw new TidingsError("token-invalid");
      }
      if (found.revoked) throw new TidingsError("token-revoked");
      if ((found.caller.expiresAtMs ?? Infinity) <= clock.nowMs()) throw new TidingsError("token-expired");
      return found.caller;
    },

    forgetTokens(user) {
      changes += 1;
      for (const token of tokensOf.get(user) ?? []) known.delete(token);
      tokensOf.delete(user);
    },

    // Where tokens are believed for ever, all changes are made here.
    ...(tokensLiveMs < Number.POSITIVE_INFINITY && { revokedOf }),
  };

  async function revokedOf(callers: readonly Caller[]): Promise<ReadonlySet<Caller>> {
    const found = await Promise.all(callers.map(({ token }) => accounts.token(asTokenId(token))));
    return new Set(callers.filter((_, index) => found[index]?.token.revokedAtMs !== undefined));
  }

  function liveOnly(one: Known | undefined): Known | undefined {
    return one === undefined || clock.monotonicMs() < one.untilMs ? one : undefined;
  }

  async function read(id: TokenId): Promise<Known | undefined> {
    for (;;) {
      const before = changes;
      const found = await accounts.token(id);
      if (changes !== before) continue;
      if (found === undefined) return undefined;
      const { secretHash, revokedAtMs } = found.token;
      const entry = {
        secretHash,
        revoked: revokedAtMs !== undefined,
        caller: toCaller(found.token, found.account),
        untilMs: clock.monotonicMs() + tokensLiveMs,
      };
      known.set(id, entry);
      link(found.account.user, id);
      return entry;
    }
  }

  function link(user: UserId, token: TokenId): void {
    const tokens = tokensOf.get(user) ?? [];
    if (!tokens.includes(token)) tokensOf.set(user, [...tokens, token]);
  }

  function unlink(user: UserId, token: TokenId): void {
    const others = (tokensOf.get(user) ?? []).filter((one) => one !== token);
    if (others.length === 0) tokensOf.delete(user);
    else tokensOf.set(user, others);
  }
}

type Known = {
  readonly secretHash: string;
  readonly revoked: boolean;
  readonly caller: Caller;
  readonly untilMs: number;
};

/** At some 500 bytes a token. */
const knownMax = 100_000;

function toCaller({ token, expiresAtMs }: TokenRecord, account: AccountRecord): Caller {
  return {
    user: { user_id: account.user, name: account.name, display_name: account.displayName },
    token,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
  };
}
