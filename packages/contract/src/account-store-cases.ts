import { deepEqual, equal } from "node:assert/strict";
import type { AccountRecord, AccountStore, TokenRecord } from "@tidings/core";
import { limits, type UserId } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { Installation } from "./installation.ts";
import { fresh, times } from "./samples.ts";

/** The promises of `AccountStore`. */
export const accountStoreCases: readonly ContractCase<Installation>[] = [
  {
    name: "gives a name to one account, whatever the case of its letters",
    async run({ stores: { accounts } }) {
      const ann = sampleAccount();
      equal(await accounts.create(ann), true);
      equal(await accounts.create(sampleAccount({ name: ann.name.toUpperCase() })), false);
      const name = fresh.name();
      const racing = times(10, (index) => sampleAccount({ name: index % 2 === 0 ? name : name.toUpperCase() }));
      const created = await Promise.all(racing.map((account) => accounts.create(account)));
      equal(created.filter((one) => one).length, 1);
      deepEqual(await accounts.find({ names: [ann.name.toUpperCase()] }), [ann]);
    },
  },
  {
    name: "finds accounts by name or by id, those that exist, each once",
    async run({ stores: { accounts } }) {
      const made = times(3, () => sampleAccount());
      for (const account of made) await accounts.create(account);
      const names = [...made.map(({ name }) => name), made[0]!.name, fresh.name()];
      const users = [...made.map(({ user }) => user), made[0]!.user, fresh.user()];
      deepEqual(sorted(await accounts.find({ names })), sorted(made));
      deepEqual(sorted(await accounts.find({ users })), sorted(made));
      deepEqual(await accounts.find({ users: [] }), []);
    },
  },
  {
    name: "changes the fields that are given",
    async run({ stores: { accounts } }) {
      const account = sampleAccount();
      await accounts.create(account);
      const renamed = { ...account, displayName: "Somebody Else" };
      deepEqual(await accounts.change(account.user, { displayName: "Somebody Else" }, nowMs), {
        account: renamed,
        revoked: [],
      });
      deepEqual(await accounts.find({ users: [account.user] }), [renamed]);
      equal(await accounts.change(fresh.user(), { displayName: "Nobody" }, nowMs), undefined);
    },
  },
  {
    name: "changes a password and revokes all tokens but one together, if it is still the old one",
    async run({ stores: { accounts } }) {
      const { passwordHash: old = "", ...account } = await createAccount(accounts);
      const tokens = times(3, (index) => sampleToken(account.user, { createdAtMs: index }));
      for (const token of tokens) await accounts.addToken(token, { max: 9, nowMs });
      const [kept, ...others] = tokens.map(({ token }) => token);
      const change = (from: string, to: string) =>
        accounts.change(account.user, { password: { from, to, keep: kept! } }, nowMs);
      equal(await change("$another", "$new"), undefined);
      equal((await accounts.tokens(account.user, nowMs)).length, 3);
      const racing = await Promise.all(times(5, (index) => change(old, `$new-${index}`)));
      const [changed, ...more] = racing.filter((answer) => answer !== undefined);
      equal(more.length, 0);
      deepEqual(new Set(changed?.revoked), new Set(others));
      deepEqual(await accounts.tokens(account.user, nowMs), [tokens[0]]);
      deepEqual(await accounts.find({ users: [account.user] }), [changed?.account]);
    },
  },
  {
    name: "stores no token for a password that was changed after it was verified",
    async run({ stores: { accounts } }) {
      const { user, passwordHash: old = "" } = await createAccount(accounts);
      const add = (ifPasswordHash: string) => accounts.addToken(sampleToken(user), { max: 9, nowMs, ifPasswordHash });
      equal(await add(old), "stored");
      const password = { from: old, to: "$new", keep: fresh.token() };
      const [, late] = await Promise.all([accounts.change(user, { password }, nowMs), add(old)]);
      equal(late, "password-changed");
      equal((await accounts.tokens(user, nowMs)).length, 0);
      equal(await add("$new"), "stored");
    },
  },
  {
    name: "gives users of an outside provider names of their own, and the same name each time",
    async run({ stores: { accounts } }) {
      const name = fresh.name();
      const users = times(3, fresh.user);
      const put = (user: UserId, wanted: string, displayName = "Ann") =>
        accounts.put({ user, name: wanted, displayName, createdAtMs: 5 });
      const first = { user: users[0], name, displayName: "Ann", createdAtMs: 5 };
      deepEqual(await put(users[0]!, name), first);
      deepEqual(await put(users[0]!, name), first);
      equal((await put(users[1]!, name.toUpperCase())).name, `${name.toUpperCase()}-2`);
      equal((await put(users[2]!, name)).name, `${name}-3`);
      equal((await put(users[1]!, name)).name, `${name}-2`);
      equal((await put(users[0]!, name, "Anna")).displayName, "Anna");
      const renamed = await put(users[0]!, fresh.name());
      deepEqual(await accounts.find({ names: [renamed.name] }), [{ ...renamed }]);
      deepEqual(await accounts.find({ names: [name] }), []);
      const long = fresh.name().padEnd(limits.nameLengthMax, "x");
      const lengths = await Promise.all(times(3, async () => (await put(fresh.user(), long)).name.length));
      deepEqual(
        lengths,
        times(3, () => limits.nameLengthMax),
      );
    },
  },
  {
    name: "keeps tokens with their accounts, and lists those that are good",
    async run({ stores: { accounts } }) {
      const account = await createAccount(accounts);
      const [old, young] = [
        sampleToken(account.user, { createdAtMs: 1 }),
        sampleToken(account.user, { createdAtMs: 2 }),
      ];
      const expired = sampleToken(account.user, { expiresAtMs: nowMs });
      for (const token of [young, expired, old]) equal(await accounts.addToken(token, { max: 3, nowMs }), "stored");
      deepEqual(await accounts.tokens(account.user, nowMs), [old, young]);
      deepEqual(await accounts.token(expired.token), { token: expired, account });
      equal(await accounts.token(fresh.token()), undefined);
      deepEqual(await accounts.tokens(fresh.user(), nowMs), []);
    },
  },
  {
    name: "stores no token beyond the bound, where expired and revoked ones do not count",
    async run({ stores: { accounts } }) {
      const { user } = await createAccount(accounts);
      const add = (fields?: Partial<TokenRecord>) => accounts.addToken(sampleToken(user, fields), { max: 4, nowMs });
      equal(await add({ expiresAtMs: nowMs - 1 }), "stored");
      const racing = await Promise.all(times(10, () => add()));
      equal(racing.filter((added) => added === "stored").length, 4);
      const [first] = await accounts.tokens(user, nowMs);
      await accounts.revoke(user, { token: first!.token }, nowMs);
      equal(await add(), "stored");
      equal(await add(), "too-many");
    },
  },
  {
    name: "revokes one token or all but one, of that user only, and says which it revoked now",
    async run({ stores: { accounts } }) {
      const [ann, bob] = [await createAccount(accounts), await createAccount(accounts)];
      const own = times(4, (index) => sampleToken(ann.user, { createdAtMs: index }));
      const others = sampleToken(bob.user);
      for (const token of [...own, others]) await accounts.addToken(token, { max: 9, nowMs });
      const [a, b, c, d] = own.map(({ token }) => token);
      deepEqual(await accounts.revoke(ann.user, { token: others.token }, nowMs), []);
      deepEqual(await accounts.revoke(ann.user, { token: a! }, nowMs), [a]);
      deepEqual(await accounts.revoke(ann.user, { token: a! }, nowMs), []);
      equal((await accounts.token(a!))?.token.revokedAtMs, nowMs);
      deepEqual(new Set(await accounts.revoke(ann.user, { allBut: c! }, nowMs)), new Set([b, d]));
      deepEqual(await accounts.tokens(ann.user, nowMs), [own[2]]);
      deepEqual(await accounts.tokens(bob.user, nowMs), [others]);
    },
  },
  {
    name: "keeps through a crash what it had answered",
    async run(installation) {
      if (installation.crash === undefined) return;
      const account = await createAccount(installation.stores.accounts);
      const token = sampleToken(account.user);
      await installation.stores.accounts.addToken(token, { max: 3, nowMs });
      await installation.crash();
      deepEqual(await installation.stores.accounts.token(token.token), { token, account });
      await installation.stores.accounts.revoke(account.user, { token: token.token }, nowMs);
      await installation.crash();
      equal((await installation.stores.accounts.token(token.token))?.token.revokedAtMs, nowMs);
    },
  },
];

const nowMs = 1_000_000;

const sampleAccount = (fields: Partial<AccountRecord> = {}): AccountRecord => ({
  user: fresh.user(),
  name: fresh.name(),
  displayName: "Ann Example",
  passwordHash: "$argon2id$sample",
  createdAtMs: 1,
  ...fields,
});

async function createAccount(accounts: AccountStore): Promise<AccountRecord> {
  const account = sampleAccount();
  await accounts.create(account);
  return account;
}

const sampleToken = (user: UserId, fields: Partial<TokenRecord> = {}): TokenRecord => ({
  token: fresh.token(),
  user,
  secretHash: fresh.name(),
  label: "laptop",
  createdAtMs: 1,
  ...fields,
});

const sorted = (accounts: readonly AccountRecord[]): readonly AccountRecord[] =>
  [...accounts].sort((a, b) => (a.user < b.user ? -1 : 1));
