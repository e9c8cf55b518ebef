import type { TokenId, UserId } from "@tidings/protocol";

/**
 * Users and their tokens. Errors: `unavailable`. Every write is durable when its promise resolves. With an outside
 * identity provider the store keeps the users' names only (`put`), and no tokens.
 */
export interface AccountStore {
  /** Stores a new account; false, and nothing stored, if the name is taken (names compare without case). */
  create(account: AccountRecord): Promise<boolean>;
  /**
   * Changes the given fields of an account. A new password revokes all tokens but one in the same transaction, so that nothing
   * that the old one opened outlives it. Undefined, and nothing changed, if there is no such account or its hash is not `from`.
   */
  change(user: UserId, change: AccountChange, nowMs: number): Promise<ChangedAccount | undefined>;
  /**
   * Stores or renews the account of a user known to an outside provider. If the wanted name belongs to another user
   * the stored name gets a suffix `-2`, `-3` …; the answer holds it. Again with the same values changes nothing.
   */
  put(account: { user: UserId; name: string; displayName: string; createdAtMs: number }): Promise<AccountRecord>;
  /** Accounts by name, without case, or by id; those that exist, in no order. At most 1,000 at a time. */
  find(by: { names: readonly string[] } | { users: readonly UserId[] }): Promise<readonly AccountRecord[]>;
  /**
   * Stores a new token. Nothing is stored if the user has `max` of them already (expired ones do not count), or if his password's
   * hash is not the given one any more: what was verified before a change of the password opens nothing after it.
   */
  addToken(token: TokenRecord, condition: TokenCondition): Promise<"stored" | "too-many" | "password-changed">;
  /** A token with its account, also a revoked or expired one; undefined if there is none. */
  token(token: TokenId): Promise<{ token: TokenRecord; account: AccountRecord } | undefined>;
  /** The user's tokens that are neither revoked nor expired, oldest first. */
  tokens(user: UserId, nowMs: number): Promise<readonly TokenRecord[]>;
  /** Revokes tokens of the user: one, or all but one. Answers which it revoked now; again answers none. */
  revoke(user: UserId, which: { token: TokenId } | { allBut: TokenId }, nowMs: number): Promise<readonly TokenId[]>;
}

export type AccountRecord = {
  readonly user: UserId;
  readonly name: string;
  readonly displayName: string;
  /** Argon2id in PHC string form; absent for a user of an outside provider. */
  readonly passwordHash?: string;
  readonly createdAtMs: number;
};

export type AccountChange = {
  readonly displayName?: string;
  /** Hashes, and the one token that stays. */
  readonly password?: { readonly from: string; readonly to: string; readonly keep: TokenId };
};

export type ChangedAccount = { readonly account: AccountRecord; readonly revoked: readonly TokenId[] };

export type TokenCondition = { readonly max: number; readonly nowMs: number; readonly ifPasswordHash?: string };

export type TokenRecord = {
  readonly token: TokenId;
  readonly user: UserId;
  /** SHA-256 of the secret, hex: the secret itself is not stored. */
  readonly secretHash: string;
  readonly label: string;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
  readonly revokedAtMs?: number;
};
