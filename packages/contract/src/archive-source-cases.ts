import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { type ArchiveKind, type ArchiveSource, archiveKeyOf, compareArchiveKeys, type Stores } from "@tidings/core";
import { directUsers } from "@tidings/protocol";
import type { ArchiveSourceFixture } from "./archive-contracts.ts";
import type { ContractCase } from "./contract-case.ts";
import { fillInstallation } from "./fill-installation.ts";
import { allRecords, readArchive } from "./read-archive.ts";
import { allEntries, fresh, messageRequest, times } from "./samples.ts";

/** The promises of `ArchiveSource`, and so of `Archive`. Each case finds what those before it made. */
export const archiveSourceCases: readonly ContractCase<ArchiveSourceFixture>[] = [
  {
    name: "shows every entry of every conversation once, byte for byte, in the order of ids and seqs",
    async run(fixture) {
      const { groups, directs } = await fillInstallation(fixture.stores);
      const stored = new Map<string, readonly object[]>();
      for (const one of [...groups, ...directs]) stored.set(one, await allEntries(fixture.stores.messages, one));
      const { entries } = await fixture.read((archive) => readArchive(archive));
      for (const [conversation, expected] of stored) {
        const shown = entries.filter((entry) => entry.conversation === conversation);
        deepEqual(
          shown.map(({ seq, kind, json }) => ({ seq, kind, json })),
          expected.map((entry) => ({ ...entry })),
        );
      }
      const places = entries.map(({ conversation, seq }) => `${conversation} ${String(seq).padStart(9, "0")}`);
      deepEqual(places, [...new Set(places)].sort());
    },
  },
  {
    name: "shows the same in pages of any size",
    async run(fixture) {
      await fillInstallation(fixture.stores, { messages: 7 });
      await fixture.read(async (archive) => {
        const whole = await readArchive(archive);
        for (const limit of [1, 3, 64]) deepEqual(await readArchive(archive, limit), whole);
        const { conversations, entries } = await archive.totals();
        equal(conversations, whole.records.conversations.length);
        equal(entries, whole.entries.length);
      });
    },
  },
  {
    name: "shows with an entry its time, how many messages there are up to it, and the name of its request",
    async run(fixture) {
      const { groups } = await fillInstallation(fixture.stores);
      const { entries } = await fixture.read((archive) => readArchive(archive));
      for (const group of groups) {
        let messages = 0;
        for (const entry of entries.filter(({ conversation }) => conversation === group)) {
          const said = JSON.parse(entry.json) as { at_ms: number; sender?: string; message_id?: string };
          if (entry.kind === "message") messages += 1;
          equal(entry.messages, messages);
          equal(entry.atMs, said.at_ms);
          deepEqual(entry.key, said.sender && { sender: said.sender, messageId: said.message_id });
        }
      }
    },
  },
  {
    name: "shows records of every kind in the order of their keys, also revoked, expired and pending ones",
    async run(fixture) {
      const { users } = await fillInstallation(fixture.stores);
      const { records } = await fixture.read((archive) => readArchive(archive));
      for (const [kind, items] of Object.entries(records) as [ArchiveKind, never[]][]) {
        const keys = items.map((item) => archiveKeyOf(kind, item));
        ok(keys.length > 0, `There are ${kind}.`);
        deepEqual(keys, [...new Set(keys)].sort(compareArchiveKeys));
      }
      const tokens = records.tokens.filter(({ user }) => user === users[0]);
      deepEqual(tokens.map(({ revokedAtMs }) => revokedAtMs).sort(), [4_000, undefined, undefined]);
      ok(tokens.some(({ expiresAtMs }) => expiresAtMs === 3_000_000));
      ok(records.accounts.some((account) => !("passwordHash" in account)));
      ok(records.invites.some(({ revoked, uses }) => revoked === true && uses === 0));
      ok(records.invites.some(({ revoked, uses, usesMax }) => revoked === false && uses === 2 && usesMax === 5));
      deepEqual(new Set(records.inviteUses.map(({ pending }) => pending)), new Set([true, false]));
      ok(records.markers.some(({ readSeq, notify }) => readSeq === 9 && notify === undefined));
      ok(records.markers.some(({ readSeq, notify }) => readSeq === 0 && notify === "all"));
    },
  },
  {
    name: "shows what follows from the entries: heads with the number of names, groups, memberships without the direct ones",
    async run(fixture) {
      const { groups, directs } = await fillInstallation(fixture.stores, { messages: 6 });
      const heads = await fixture.stores.messages.heads(groups);
      const records = await fixture.stores.groups.group(groups[0]!);
      const { records: shown } = await fixture.read((archive) => readArchive(archive));
      for (const [conversation, head] of heads) {
        const found = shown.conversations.find((one) => one.conversation === conversation);
        deepEqual(found, { conversation, ...head, keys: 6 });
      }
      deepEqual(
        shown.groups.find(({ conversation }) => conversation === groups[0]),
        records,
      );
      ok(shown.memberships.some(({ state }) => state === "banned"));
      ok(shown.memberships.every(({ conversation }) => directUsers(conversation) === undefined));
      const ofDirects = shown.directs.filter(({ conversation }) => directs.includes(conversation));
      deepEqual(ofDirects.map(({ conversation, user }) => `${conversation} ${user}`).sort(), direct(directs));
    },
  },
  {
    name: "is the same installation in another state after whatever was changed, and in the same after nothing was",
    async run(fixture) {
      const { users, groups } = await fillInstallation(fixture.stores, { messages: 3 });
      const before = await fixture.read((archive) => archive.identity());
      deepEqual(await fixture.identityNow(), before);
      const seen = new Set([before.state]);
      for (const change of changesOf(users[0]!, groups[0]!)) {
        await change(fixture.stores);
        const { origin, state } = await fixture.identityNow();
        equal(origin, before.origin);
        ok(!seen.has(state), `After this the state is another one: ${change}`);
        seen.add(state);
      }
    },
  },
  {
    name: "tells what a consumer of the change feed is not done with",
    async run(fixture) {
      const consumer = `consumer ${fresh.name()}`;
      const conversation = fresh.conversation();
      const pending = (archive: ArchiveSource) => archive.pendingChanges(consumer, { after: 0, limit: 1_000 });
      for (const _ of times(4, () => 0)) await fixture.stores.messages.append(messageRequest(conversation));
      const { newest } = await fixture.stores.feed.positions();
      await fixture.stores.feed.advance(consumer, newest);
      deepEqual(await fixture.read(pending), []);
      for (const _ of times(3, () => 0)) await fixture.stores.messages.append(messageRequest(conversation));
      const changes = await fixture.read(pending);
      deepEqual(
        changes.map((change) => [change.conversation, change.fromSeq, change.toSeq]),
        [5, 6, 7].map((seq) => [conversation, seq, seq]),
      );
      const [first] = changes;
      const rest = await fixture.read((archive) =>
        archive.pendingChanges(consumer, { after: first!.position, limit: 1 }),
      );
      deepEqual(rest, [changes[1]]);
      notEqual((await fixture.read((archive) => allRecords(archive, "conversations"))).length, 0);
    },
  },
];

const direct = (conversations: readonly `${string}`[] | readonly string[]): string[] =>
  conversations.flatMap((one) => [...new Set(directUsers(one as never))].map((user) => `${one} ${user}`)).sort();

/** Something of everything that a server changes. */
const changesOf = (
  user: Parameters<Stores["markers"]["setRead"]>[0],
  group: Parameters<Stores["markers"]["setRead"]>[1],
): readonly ((stores: Stores) => Promise<unknown>)[] => [
  ({ messages }) => messages.append(messageRequest(group)),
  ({ markers }) => markers.setRead(user, group, { seq: 2 as never, messages: 1 }),
  ({ markers }) => markers.setNotify(user, group, "none"),
  ({ accounts }) => accounts.change(user, { displayName: "Another" }, 5_000),
  async ({ accounts }) => {
    const [token] = await accounts.tokens(user, 5_000);
    await accounts.revoke(user, { token: token!.token }, 5_000);
  },
  async ({ accounts }) => {
    const [account] = await accounts.find({ users: [user] });
    const password = { from: account?.passwordHash ?? "", to: "another hash", keep: fresh.token() };
    await accounts.change(user, { password }, 6_000);
  },
  async ({ invites }) => {
    const [invite] = await invites.list(group, 3_000);
    await invites.revoke(group, invite!.invite, 3_000);
  },
  ({ groups }) => groups.ensureDirect(`d_${user}~zoe` as never),
  ({ notifications }) =>
    notifications.put([{ user, reason: "mention", conversation: group, seq: 77 as never, sender: user, atMs: 1 }]),
];
