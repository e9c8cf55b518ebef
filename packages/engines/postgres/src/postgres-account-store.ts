import type { AccountRecord, AccountStore, TokenRecord } from "@tidings/core";
import { limits, type TokenId, type UserId } from "@tidings/protocol";
import type { Database, Query } from "./database.ts";
import { createInOrder } from "./in-order.ts";
import { sqlState } from "./postgres-failure.ts";

/** Times that a name is looked for anew because somebody else took it in between. */
const attemptsMax = 10;

export function createPostgresAccountStore(db: Database): AccountStore {
  // What one process does with an account has the order of its calls; among processes the row's lock decides.
  const inOrder = createInOrder<UserId>();
  return {
    async create({ user, name, displayName, passwordHash = null, createdAtMs }) {
      const row = [user, name, name.toLowerCase(), displayName, passwordHash, createdAtMs] as const;
      return (await db.write(insertIfFree, ...row)).length === 1;
    },
    change: (user, { displayName, password }, nowMs) =>
      inOrder(user, () =>
        db.transaction(async (query) => {
          const [old] = await query<AccountRecord>(lockAccount, user);
          if (old === undefined || (password !== undefined && old.passwordHash !== password.from)) return undefined;
          const account = {
            ...old,
            ...(displayName !== undefined && { displayName }),
            ...(password !== undefined && { passwordHash: password.to }),
          };
          await update(query, account);
          const revoked = password === undefined ? [] : await revoke(query, user, { allBut: password.keep }, nowMs);
          return { account, revoked };
        }),
      ),
    async put(wanted) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await db.transaction((query) => put(query, wanted));
        } catch (error) {
          if (sqlState(error) !== "23505" || attempt === attemptsMax) throw error;
        }
      }
    },
    async find(by) {
      const keys = new Set("users" in by ? by.users : by.names.map((name) => name.toLowerCase()));
      return keys.size === 0 ? [] : db.read<AccountRecord>("users" in by ? selectByUser : selectByName, [...keys]);
    },
    addToken: (token, { max, nowMs, ifPasswordHash }) =>
      inOrder(token.user, () =>
        db.transaction(async (query) => {
          // Locked, so that neither the password changes nor another token comes meanwhile.
          const [account] = await query<AccountRecord>(lockAccount, token.user);
          if (ifPasswordHash !== undefined && account?.passwordHash !== ifPasswordHash) return "password-changed";
          if ((await query(selectLive, token.user, nowMs)).length >= max) return "too-many";
          const { user, secretHash, label, createdAtMs, expiresAtMs = null } = token;
          await query(insertToken, token.token, user, secretHash, label, createdAtMs, expiresAtMs);
          return "stored";
        }),
      ),
    async token(id) {
      const [row] = await db.read<TokenRecord & Omit<AccountRecord, "user"> & { accountCreatedAtMs: number }>(
        selectToken,
        id,
      );
      if (row === undefined) return undefined;
      const { name, displayName, passwordHash, accountCreatedAtMs, ...token } = row;
      const { user } = token;
      const known = { user, name, displayName, createdAtMs: accountCreatedAtMs };
      return { token, account: passwordHash === undefined ? known : { ...known, passwordHash } };
    },
    tokens: (user, nowMs) => db.read<TokenRecord>(selectLive, user, nowMs),
    revoke: (user, which, nowMs) => inOrder(user, () => revoke(db.write, user, which, nowMs)),
  };
}

async function put(query: Query, wanted: Omit<AccountRecord, "passwordHash">): Promise<AccountRecord> {
  const [old] = await query<AccountRecord>(lockAccount, wanted.user);
  let name = wanted.name;
  for (let count = 2; !(await isFree(query, name, wanted.user)); count += 1) {
    const suffix = `-${count}`;
    name = wanted.name.slice(0, limits.nameLengthMax - suffix.length) + suffix;
  }
  const renewed: AccountRecord = { ...wanted, ...old, name, displayName: wanted.displayName };
  const { user, displayName, createdAtMs } = renewed;
  if (old === undefined) await query(insert, user, name, name.toLowerCase(), displayName, null, createdAtMs);
  else await update(query, renewed);
  return renewed;
}

async function isFree(query: Query, name: string, user: UserId): Promise<boolean> {
  const [owner] = await query<AccountRecord>(selectByName, [name.toLowerCase()]);
  return (owner?.user ?? user) === user;
}

async function update(query: Query, { user, name, displayName, passwordHash }: AccountRecord): Promise<void> {
  await query(updateAccount, user, name, name.toLowerCase(), displayName, passwordHash ?? null);
}

async function revoke(
  query: Query,
  user: UserId,
  which: { token: TokenId } | { allBut: TokenId },
  nowMs: number,
): Promise<readonly TokenId[]> {
  const rows =
    "token" in which
      ? await query<{ token: TokenId }>(revokeOne, user, nowMs, which.token)
      : await query<{ token: TokenId }>(revokeOthers, user, nowMs, which.allBut);
  return rows.map(({ token }) => token);
}

const accountColumns = `user_id AS "user", name, display_name AS "displayName", password_hash AS "passwordHash",
  created_at_ms AS "createdAtMs"`;
const tokenColumns = `t.token, t.user_id AS "user", t.secret_hash AS "secretHash", t.label, t.created_at_ms AS "createdAtMs",
  t.expires_at_ms AS "expiresAtMs", t.revoked_at_ms AS "revokedAtMs"`;
/** Its parameters are the user and the present time. */
const isLive = "user_id = $1 AND revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > $2)";

const insertIfFree = {
  name: "create-account",
  text: "INSERT INTO accounts VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (lower_name) DO NOTHING RETURNING 1",
};
const insert = { name: "insert-account", text: "INSERT INTO accounts VALUES ($1, $2, $3, $4, $5, $6)" };
const updateAccount = {
  name: "update-account",
  text: "UPDATE accounts SET name = $2, lower_name = $3, display_name = $4, password_hash = $5 WHERE user_id = $1",
};
const lockAccount = {
  name: "lock-account",
  text: `SELECT ${accountColumns} FROM accounts WHERE user_id = $1 FOR NO KEY UPDATE`,
};
const selectByUser = {
  name: "accounts-by-user",
  text: `SELECT ${accountColumns} FROM accounts WHERE user_id = ANY ($1::text[])`,
};
const selectByName = {
  name: "accounts-by-name",
  text: `SELECT ${accountColumns} FROM accounts WHERE lower_name = ANY ($1::text[])`,
};
const insertToken = { name: "insert-token", text: "INSERT INTO tokens VALUES ($1, $2, $3, $4, $5, $6, NULL)" };
const selectLive = {
  name: "live-tokens",
  text: `SELECT ${tokenColumns} FROM tokens t WHERE ${isLive} ORDER BY t.created_at_ms, t.token`,
};
const selectToken = {
  name: "token",
  text: `SELECT ${tokenColumns}, a.name, a.display_name AS "displayName", a.password_hash AS "passwordHash",
      a.created_at_ms AS "accountCreatedAtMs"
    FROM tokens t JOIN accounts a ON a.user_id = t.user_id WHERE t.token = $1`,
};
const revokeOne = {
  name: "revoke-token",
  text: `UPDATE tokens SET revoked_at_ms = $2 WHERE ${isLive} AND token = $3 RETURNING token`,
};
const revokeOthers = {
  name: "revoke-other-tokens",
  text: `UPDATE tokens SET revoked_at_ms = $2 WHERE ${isLive} AND token <> $3 RETURNING token`,
};
