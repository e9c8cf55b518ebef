import type { DatabaseSync } from "node:sqlite";
import type { AccountChange, AccountRecord, ChangedAccount, TokenCondition, TokenRecord } from "@tidings/core";
import type { TokenId, UserId } from "@tidings/protocol";
import { rowOf, rowsOf } from "./rows.ts";

const accountColumns = `user_id AS user, name, display_name AS displayName, password_hash AS passwordHash,
  created_at_ms AS createdAtMs`;
const tokenColumns = `token, user_id AS user, secret_hash AS secretHash, label, created_at_ms AS createdAtMs,
  expires_at_ms AS expiresAtMs, revoked_at_ms AS revokedAtMs`;
/** Its parameters are the user and the present time. */
const liveTokens = `SELECT ${tokenColumns} FROM tokens
  WHERE user_id = ? AND revoked_at_ms IS NULL AND coalesce(expires_at_ms, 1e300) > ? ORDER BY created_at_ms, token`;
const selectAccount = `SELECT ${accountColumns} FROM accounts WHERE user_id = ?`;

type WhichTokens = { token: TokenId } | { allBut: TokenId };

export function createAccountWrites(db: DatabaseSync) {
  const account = db.prepare(selectAccount);
  const ownerOfName = db.prepare("SELECT user_id AS user FROM accounts WHERE lower_name = ?");
  const insertAccount = db.prepare("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)");
  const updateAccount = db.prepare(
    "UPDATE accounts SET name = ?, lower_name = ?, display_name = ?, password_hash = ? WHERE user_id = ?",
  );
  const live = db.prepare(liveTokens);
  const insertToken = db.prepare("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, NULL)");
  const revokeToken = db.prepare("UPDATE tokens SET revoked_at_ms = ? WHERE token = ?");

  const isFree = (name: string, user: UserId): boolean =>
    (rowOf<{ user: UserId }>(ownerOfName, name.toLowerCase())?.user ?? user) === user;
  const insert = ({ user, name, displayName, passwordHash, createdAtMs }: AccountRecord): void => {
    insertAccount.run(user, name, name.toLowerCase(), displayName, passwordHash ?? null, createdAtMs);
  };
  const update = ({ user, name, displayName, passwordHash }: AccountRecord): void => {
    updateAccount.run(name, name.toLowerCase(), displayName, passwordHash ?? null, user);
  };
  const revokeTokens = (user: UserId, which: WhichTokens, nowMs: number): readonly TokenId[] => {
    const revoked = rowsOf<TokenRecord>(live, user, nowMs)
      .map(({ token }) => token)
      .filter((token) => ("token" in which ? token === which.token : token !== which.allBut));
    for (const token of revoked) revokeToken.run(nowMs, token);
    return revoked;
  };

  return {
    createAccount(record: AccountRecord): boolean {
      if (ownerOfName.get(record.name.toLowerCase()) !== undefined) return false;
      insert(record);
      return true;
    },
    changeAccount(user: UserId, { displayName, password }: AccountChange, nowMs: number): ChangedAccount | undefined {
      const old = rowOf<AccountRecord>(account, user);
      if (old === undefined || (password !== undefined && old.passwordHash !== password.from)) return undefined;
      const changed = {
        ...old,
        ...(displayName !== undefined && { displayName }),
        ...(password !== undefined && { passwordHash: password.to }),
      };
      update(changed);
      return {
        account: changed,
        revoked: password === undefined ? [] : revokeTokens(user, { allBut: password.keep }, nowMs),
      };
    },
    putAccount(wanted: Omit<AccountRecord, "passwordHash">, nameLengthMax: number): AccountRecord {
      let name = wanted.name;
      for (let count = 2; !isFree(name, wanted.user); count += 1) {
        const suffix = `-${count}`;
        name = wanted.name.slice(0, nameLengthMax - suffix.length) + suffix;
      }
      const old = rowOf<AccountRecord>(account, wanted.user);
      const renewed: AccountRecord = { ...wanted, ...old, name, displayName: wanted.displayName };
      if (old === undefined) insert(renewed);
      else update(renewed);
      return renewed;
    },
    addToken(token: TokenRecord, { max, nowMs, ifPasswordHash }: TokenCondition) {
      if (ifPasswordHash !== undefined && rowOf<AccountRecord>(account, token.user)?.passwordHash !== ifPasswordHash) {
        return "password-changed";
      }
      if (live.all(token.user, nowMs).length >= max) return "too-many";
      const { user, secretHash, label, createdAtMs, expiresAtMs = null } = token;
      insertToken.run(token.token, user, secretHash, label, createdAtMs, expiresAtMs);
      return "stored";
    },
    revokeTokens,
  };
}

export function createAccountReads(db: DatabaseSync) {
  const byUser = db.prepare(selectAccount);
  const byName = db.prepare(`SELECT ${accountColumns} FROM accounts WHERE lower_name = ?`);
  const byId = db.prepare(`SELECT ${tokenColumns} FROM tokens WHERE token = ?`);
  const live = db.prepare(liveTokens);

  return {
    findAccounts(by: { names: readonly string[] } | { users: readonly UserId[] }): readonly AccountRecord[] {
      const keys = new Set("users" in by ? by.users : by.names.map((name) => name.toLowerCase()));
      const statement = "users" in by ? byUser : byName;
      return [...keys].flatMap((key) => rowOf<AccountRecord>(statement, key) ?? []);
    },
    token(id: TokenId): { token: TokenRecord; account: AccountRecord } | undefined {
      const token = rowOf<TokenRecord>(byId, id);
      const account = token && rowOf<AccountRecord>(byUser, token.user);
      return token && account && { token, account };
    },
    tokens: (user: UserId, nowMs: number): readonly TokenRecord[] => rowsOf(live, user, nowMs),
  };
}
