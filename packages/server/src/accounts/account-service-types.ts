import type { HttpAnswer, HttpBody, HttpQuery, TokenId, User } from "@tidings/protocol";
import type { Caller } from "../services.ts";

/** Where a request comes from, as far as limits and the opening of sign-up are concerned. */
export type Origin = {
  /** The client's address, behind trusted proxies. */
  readonly address: string;
  /** A request of this machine itself, that no proxy passed on. */
  readonly local: boolean;
};

/**
 * Accounts and their tokens. With an outside issuer every method but `findUsers` and `me` rejects with
 * `accounts-elsewhere`. All may reject with `unavailable`; where a password is looked at also with `too-many-attempts`, and
 * with `busy` when too many wait for their password to be hashed.
 */
export interface AccountService {
  /** Rejects with `sign-up-closed`, `name-taken`. */
  signUp(request: HttpBody<"createAccount">, from: Origin): Promise<HttpAnswer<"createAccount">>;
  /** Rejects with `credentials-wrong`, `too-many-tokens`. */
  logIn(request: HttpBody<"createToken">, from: Origin): Promise<HttpAnswer<"createToken">>;
  tokens(caller: Caller): Promise<HttpAnswer<"listTokens">>;
  /** Revokes one token and ends its sessions; `current` is the caller's own. Rejects with `token-not-found`. */
  revokeToken(caller: Caller, token: TokenId): Promise<void>;
  me(caller: Caller): Promise<User>;
  /** A new password revokes all other tokens. Rejects with `credentials-wrong`. */
  changeMe(caller: Caller, request: HttpBody<"changeMe">, from: Origin): Promise<User>;
  /** Those that exist. Rejects with `invalid-request` for more than 100 names or ids. */
  findUsers(query: HttpQuery<"findUsers">): Promise<HttpAnswer<"findUsers">>;
}
