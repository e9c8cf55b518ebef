import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { ArchiveRefusedError, type ArchiveTarget, copiedKinds, encodeDraft, type EntryDraft } from "@tidings/core";
import { asSeq, type UserId } from "@tidings/protocol";
import type { ArchiveTargetFixture, OpenedTarget } from "./archive-contracts.ts";
import { archiveOfContent, sampleContent } from "./archive-samples.ts";
import type { ContractCase } from "./contract-case.ts";
import { messageIdOf } from "./fill-installation.ts";
import { copyArchive, readArchive } from "./read-archive.ts";
import { appended, fresh, messageDraft, messageRequest } from "./samples.ts";

/** The promises of `ArchiveTarget`, each on an installation of its own. */
export const archiveTargetCases: readonly ContractCase<ArchiveTargetFixture>[] = [
  {
    name: "shows what was put into it, entry by entry and record by record, in pieces of whatever size it came",
    run: (fixture) =>
      withTarget(fixture, async ({ target }) => {
        const { content } = sampleContent();
        await target.begin(identity);
        await copyArchive(archiveOfContent(content), target, 7);
        const { entries, records } = await readArchive(target, 11);
        deepEqual(entries, content.entries);
        for (const kind of copiedKinds) deepEqual(records[kind], content.records[kind], kind);
      }),
  },
  {
    name: "makes heads, counts of messages and of names from the entries",
    run: (fixture) =>
      withTarget(fixture, async ({ target }) => {
        const { content, group, direct } = sampleContent(40);
        await target.begin(identity);
        await copyArchive(archiveOfContent(content), target, 9);
        const { records } = await readArchive(target);
        deepEqual(records.conversations, [
          { conversation: direct, head: 40, groupSeq: 0, messages: 40, keys: 40 },
          { conversation: group, head: 44, groupSeq: 44, messages: 40, keys: 40 },
        ]);
        deepEqual(await target.totals(), { conversations: 2, entries: 84 });
      }),
  },
  {
    name: "goes on where it ended, and tells where that is",
    run: (fixture) =>
      withTarget(fixture, async ({ target }) => {
        const { content } = sampleContent();
        equal(await target.begin(identity), "begun");
        deepEqual(await target.end(), { records: {} });
        const source = archiveOfContent(content);
        const [piece] = await source.entries({ limit: 5 });
        await target.putEntries([piece!]);
        await target.putRecords("accounts", content.records.accounts.slice(0, 1));
        const { entries, records } = await target.end();
        deepEqual(entries, { conversation: piece!.conversation, seq: 5 });
        deepEqual(records, { accounts: JSON.stringify([content.records.accounts[0]?.user]) });
        equal(await target.begin(identity), "resumed");
        await copyArchive(source, target);
        deepEqual((await readArchive(target)).entries, content.entries);
      }),
  },
  {
    name: "takes entries only where a conversation ends, and of a call all or none",
    run: (fixture) =>
      withTarget(fixture, async ({ target }) => {
        const { content } = sampleContent();
        await target.begin(identity);
        const [first, second] = await archiveOfContent(content).entries({ limit: 1_000 });
        const part = (from: number, to: number) => ({ ...first!, entries: first!.entries.slice(from, to) });
        await target.putEntries([part(0, 3)]);
        for (const wrong of [part(0, 3), part(4, 6), part(2, 5)]) {
          await rejects(
            target.putEntries([second!, wrong]),
            new RegExp(first!.conversation.replaceAll(/[~|+.]/g, ".")),
          );
        }
        equal((await readArchive(target)).entries.length, 3);
        await target.putEntries([second!, part(3, 40)]);
        deepEqual((await readArchive(target)).entries, content.entries);
      }),
  },
  {
    name: "leaves a record that is there already as it is, and names one that would become another",
    run: (fixture) =>
      withTarget(fixture, async ({ target }) => {
        const { content } = sampleContent();
        await target.begin(identity);
        for (const _ of [1, 2]) {
          for (const kind of copiedKinds) await target.putRecords(kind, content.records[kind] as never);
        }
        const { records } = await readArchive(target);
        for (const kind of copiedKinds) deepEqual(records[kind], content.records[kind], kind);

        const [account] = content.records.accounts;
        const changed = { ...account!, displayName: "Somebody else" };
        const other = { ...account!, user: fresh.user(), name: fresh.name() };
        await refuses(target.putRecords("accounts", [other, changed]), account!.user);
        // The same name for another user.
        await refuses(target.putRecords("accounts", [{ ...account!, user: other.user }]), other.user);
        deepEqual((await readArchive(target)).records.accounts, content.records.accounts);
      }),
  },
  {
    name: "is a copy of one installation in one state",
    run: (fixture) =>
      withTarget(fixture, async ({ target }) => {
        equal(await target.begin(identity), "begun");
        equal(await target.begin(identity), "resumed");
        await refuses(target.begin({ ...identity, origin: "another" }), "another installation");
        await refuses(target.begin({ ...identity, state: "another" }), "changed");
        await target.finish();
        await target.finish();
        equal(await target.begin(identity), "finished");
        await refuses(target.begin({ ...identity, origin: "another" }), "another installation");
      }),
  },
  {
    name: "does not begin where something is that it did not copy",
    async run(fixture) {
      for (const fill of [
        (target: ArchiveTarget) => target.putRecords("accounts", sampleContent().content.records.accounts),
        async (target: ArchiveTarget) =>
          target.putEntries(await archiveOfContent(sampleContent().content).entries({ limit: 1 })),
      ]) {
        await withTarget(fixture, async ({ target }) => {
          await fill(target);
          await refuses(target.begin(identity), "not empty");
          await refuses(target.begin(identity), "not empty");
        });
      }
    },
  },
  {
    name: "serves what was copied: a retry gets its first answer, counts, tokens, markers and invitations are what they were (G2)",
    run: (fixture) =>
      withTarget(fixture, async ({ target, serve }) => {
        const { content, ann, bob, group, direct } = sampleContent(40);
        await target.begin(identity);
        await copyArchive(archiveOfContent(content), target);
        await target.finish();
        const stores = await serve();

        const key = { sender: ann, messageId: messageIdOf(4) };
        const again = await stores.messages.append({
          conversation: group,
          key,
          drafts: [messageDraft("again", 9_000)],
        });
        deepEqual(again, { outcome: "duplicate", seq: 8, atMs: 5_007 });
        deepEqual(await stores.messages.append({ conversation: group, drafts: [left(bob)] }), appended(45));
        deepEqual(await stores.messages.append(messageRequest(direct, { sender: ann })), appended(41));
        deepEqual(
          await stores.messages.messagesUpTo([
            { conversation: group, seq: asSeq(9) },
            { conversation: direct, seq: asSeq(41) },
          ]),
          [6, 41],
        );
        const [token] = content.records.tokens;
        const [annsAccount] = content.records.accounts.filter(({ user }) => user === ann);
        deepEqual(await stores.accounts.token(token!.token), { token, account: annsAccount });
        equal((await stores.accounts.tokens(ann, 5_000)).length, 2);
        deepEqual(await stores.accounts.find({ names: [annsAccount!.name.toUpperCase()] }), [annsAccount]);
        const [marker] = await stores.markers.markers(ann, [group]);
        deepEqual(marker, { readSeq: 9, readMessages: 6, notify: undefined });
        equal((await stores.invites.list(group, 5_000)).length, 2);
        equal((await stores.memberships.conversationsOf(bob)).length, 1);
        deepEqual((await stores.groups.membership(direct, bob))?.state, "active");
      }),
  },
  {
    name: "numbers notifications on from the last one that was copied, and knows what was notified (G9)",
    run: (fixture) =>
      withTarget(fixture, async ({ target, serve }) => {
        const { content, ann, bob, group } = sampleContent();
        await target.begin(identity);
        await copyArchive(archiveOfContent(content), target, 5);
        await target.finish();
        const { notifications } = await serve();
        deepEqual(await notifications.newest([ann, bob]), [12, 0]);
        const one = (seq: number) => ({
          ...({
            user: ann,
            reason: "mention",
            conversation: group,
            seq: asSeq(seq),
            sender: bob,
            atMs: 9_000,
          } as const),
        });
        const stored = await notifications.put([one(5), one(30)]);
        deepEqual(
          stored.map(({ notification }) => [notification.n, notification.seq]),
          [[13, 30]],
        );
        equal((await notifications.list(ann, { after: 0, limit: 100 })).length, 13);
      }),
  },
  {
    name: "has no change of the change feed for what was copied, and has one for whatever comes after",
    run: (fixture) =>
      withTarget(fixture, async ({ target, serve }) => {
        const { content, group } = sampleContent();
        await target.begin(identity);
        await copyArchive(archiveOfContent(content), target);
        await target.finish();
        const { feed, messages } = await serve();
        await feed.advance("of a test", (await feed.positions()).newest);
        await messages.append(messageRequest(group));
        const stop = new AbortController();
        for await (const changes of feed.changes("of a test", stop.signal)) {
          deepEqual(
            changes.map(({ conversation, fromSeq, toSeq }) => ({ conversation, fromSeq, toSeq })),
            [{ conversation: group, fromSeq: 45, toSeq: 45 }],
          );
          stop.abort();
        }
      }),
  },
];

const identity = { origin: "an installation", state: "as it is" };

async function withTarget(fixture: ArchiveTargetFixture, work: (opened: OpenedTarget) => Promise<void>): Promise<void> {
  const opened = await fixture.openEmpty();
  try {
    await work(opened);
  } finally {
    await opened.close();
  }
}

async function refuses(refused: Promise<unknown>, word: string): Promise<void> {
  await rejects(refused, (error: unknown) => {
    ok(error instanceof ArchiveRefusedError);
    match(error.message, new RegExp(word.replaceAll(/[^\w ]/g, ".")));
    return true;
  });
}

const left = (user: UserId): EntryDraft => encodeDraft({ kind: "member-left", user }, 9_000);
