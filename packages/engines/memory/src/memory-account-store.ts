import { type AccountRecord, type AccountStore, invariant, type TokenRecord } from "@tidings/core";
import { limits, type TokenId, type UserId } from "@tidings/protocol";

export function createMemoryAccountStore(): AccountStore {
  const accounts = new Map<UserId, AccountRecord>();
  const users = new Map<string, UserId>();
  const tokens = new Map<TokenId, TokenRecord>();
  const tokensByUser = new Map<UserId, Set<TokenId>>();

  const store = (account: AccountRecord): AccountRecord => {
    const old = accounts.get(account.user);
    if (old !== undefined) users.delete(old.name.toLowerCase());
    accounts.set(account.user, account);
    users.set(account.name.toLowerCase(), account.user);
    return account;
  };
  const liveTokens = (user: UserId, nowMs: number): readonly TokenRecord[] =>
    [...(tokensByUser.get(user) ?? [])]
      .flatMap((id) => tokens.get(id) ?? [])
      .filter(({ revokedAtMs, expiresAtMs }) => revokedAtMs === undefined && (expiresAtMs ?? Infinity) > nowMs)
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
  const revoke: (...call: Parameters<AccountStore["revoke"]>) => readonly TokenId[] = (user, which, nowMs) => {
    const revoked = liveTokens(user, nowMs).filter(({ token }) =>
      "token" in which ? token === which.token : token !== which.allBut,
    );
    for (const token of revoked) tokens.set(token.token, { ...token, revokedAtMs: nowMs });
    return revoked.map(({ token }) => token);
  };

  return {
    async create(account) {
      if (users.has(account.name.toLowerCase())) return false;
      invariant(!accounts.has(account.user), "Ids of local accounts are drawn at random.");
      store(account);
      return true;
    },
    async change(user, { displayName, password }, nowMs) {
      const account = accounts.get(user);
      if (account === undefined) return undefined;
      if (password !== undefined && account.passwordHash !== password.from) return undefined;
      const changed = store({
        ...account,
        ...(displayName !== undefined && { displayName }),
        ...(password !== undefined && { passwordHash: password.to }),
      });
      return {
        account: changed,
        revoked: password === undefined ? [] : revoke(user, { allBut: password.keep }, nowMs),
      };
    },
    async put(account) {
      const isFree = (name: string) => (users.get(name.toLowerCase()) ?? account.user) === account.user;
      const name = candidateNames(account.name).find(isFree);
      invariant(name !== undefined, "There are more suffixes than accounts.");
      return store({ ...account, ...accounts.get(account.user), name, displayName: account.displayName });
    },
    async find(by) {
      const found = "users" in by ? by.users : by.names.flatMap((name) => users.get(name.toLowerCase()) ?? []);
      return [...new Set(found)].flatMap((user) => accounts.get(user) ?? []);
    },
    async addToken(token, { max, nowMs, ifPasswordHash }) {
      const account = accounts.get(token.user);
      invariant(!tokens.has(token.token), "Ids of tokens are drawn at random.");
      invariant(account !== undefined, "A token belongs to an account.");
      if (ifPasswordHash !== undefined && account.passwordHash !== ifPasswordHash) return "password-changed";
      if (liveTokens(token.user, nowMs).length >= max) return "too-many";
      tokens.set(token.token, token);
      const own = tokensByUser.get(token.user) ?? new Set();
      tokensByUser.set(token.user, own.add(token.token));
      return "stored";
    },
    async token(id) {
      const token = tokens.get(id);
      const account = token && accounts.get(token.user);
      return token && account && { token, account };
    },
    tokens: async (user, nowMs) => liveTokens(user, nowMs),
    revoke: async (user, which, nowMs) => revoke(user, which, nowMs),
  };
}

/** The wanted name, then the name with -2, -3 …, cut so that it never is longer than a name may be. */
function* candidateNames(name: string): Generator<string> {
  yield name;
  for (let count = 2; ; count += 1) {
    const suffix = `-${count}`;
    yield name.slice(0, limits.nameLengthMax - suffix.length) + suffix;
  }
}
