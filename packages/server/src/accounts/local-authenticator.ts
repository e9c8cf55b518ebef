import { TidingsError, type TokenId, type UserId } from "@tidings/protocol";
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

export function createLocalAuthenticator(accounts: Stores["accounts"], clock: Clock): LocalAuthenticator {
  const known = new LruMap<TokenId, Known>(knownMax, (token, { caller }) => unlink(caller.user.user_id, token));
  const tokensOf = new Map<UserId, Set<TokenId>>();
  /** Counts the changes: what was read before one and arrives after it is not kept. */
  let changes = 0;

  return {
    async authenticate(token) {
      const parts = parseToken(token);
      if (parts === undefined) throw new TidingsError("token-invalid");
      const found = known.get(parts.id) ?? (await read(parts.id));
      // Whoever holds no valid secret learns nothing about the token, not even that it was revoked.
      if (found === undefined || !secretMatches(parts.secret, found.record.secretHash)) {
        throw new TidingsError("token-invalid");
      }
      if (found.record.revokedAtMs !== undefined) throw new TidingsError("token-revoked");
      if ((found.record.expiresAtMs ?? Infinity) <= clock.nowMs()) throw new TidingsError("token-expired");
      return found.caller;
    },

    forgetTokens(user) {
      changes += 1;
      for (const token of tokensOf.get(user) ?? []) known.delete(token);
      tokensOf.delete(user);
    },
  };

  async function read(id: TokenId): Promise<Known | undefined> {
    for (;;) {
      const before = changes;
      const found = await accounts.token(id);
      if (changes !== before) continue;
      if (found === undefined) return undefined;
      const entry = { record: found.token, caller: toCaller(found.token, found.account) };
      known.set(id, entry);
      link(found.account.user, id);
      return entry;
    }
  }

  function link(user: UserId, token: TokenId): void {
    const tokens = tokensOf.get(user) ?? new Set();
    tokensOf.set(user, tokens.add(token));
  }

  function unlink(user: UserId, token: TokenId): void {
    const tokens = tokensOf.get(user);
    tokens?.delete(token);
    if (tokens?.size === 0) tokensOf.delete(user);
  }
}

type Known = { readonly record: TokenRecord; readonly caller: Caller };

/** At some 700 bytes a token. */
const knownMax = 100_000;

function toCaller({ token, expiresAtMs }: TokenRecord, account: AccountRecord): Caller {
  return {
    user: { user_id: account.user, name: account.name, display_name: account.displayName },
    token,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
  };
}
