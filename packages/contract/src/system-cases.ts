import { deepEqual, equal, ok } from "node:assert/strict";
import { type ConversationId, type Entry, type Seq, TidingsError } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import { fresh, times, upTo } from "./samples.ts";
import type { System, SystemSession, SystemUser } from "./system.ts";

/** The promises of the whole, looked at from outside. */
export const systemCases: readonly ContractCase<System>[] = [
  {
    name: "shows every member the same entries in the same order, dense from 1 (G3)",
    async run(system) {
      const [ann, bob, cid] = await signUp(system, 3);
      const group = await groupOf(ann, bob, cid);
      const sessions = await Promise.all([ann, bob, cid].map((one) => one.connect({ [group]: 0 })));
      const seqs = await Promise.all(times(60, (index) => [ann, bob, cid][index % 3]!.send(group, message())));
      deepEqual(new Set(seqs), new Set(upTo(60).map((seq) => seq + 4)));
      for (const session of sessions) {
        await session.until(group, 64);
        deepEqual(seqsOf(session, group), upTo(64));
        deepEqual(entriesOf(session, group), entriesOf(sessions[0]!, group));
      }
      deepEqual(await readAll(bob, group), entriesOf(sessions[0]!, group));
      await close(sessions);
    },
  },
  {
    name: "stores a message once however often it is sent, and answers as the first time (G2)",
    async run(system) {
      const [ann, bob] = await signUp(system, 2);
      const group = await groupOf(ann, bob);
      const once = message("once");
      const answers = await Promise.all(times(8, () => ann.send(group, once)));
      await Promise.all(times(20, () => bob.send(group, message())));
      answers.push(await ann.send(group, { ...once, text: "changed" }));
      deepEqual(new Set(answers), new Set([answers[0]]));
      const texts = (await readAll(ann, group)).flatMap((entry) => (entry.kind === "message" ? entry.text : []));
      equal(texts.filter((text) => text === "once" || text === "changed").length, 1);
    },
  },
  {
    name: "keeps what it acknowledged, and the names of it, when it crashes (G1, G2)",
    async run(system) {
      if (system.crash === undefined) return;
      const [ann, bob] = await signUp(system, 2);
      const group = await groupOf(ann, bob);
      for (const round of upTo(2)) {
        const messages = times(20, (index) => message(`${round}/${index}`));
        const seqs = await Promise.all(messages.map((one) => ann.send(group, one)));
        await system.crash();
        const entries = await readAll(bob, group);
        deepEqual(
          entries.map(({ seq }) => seq),
          upTo(3 + round * 20),
        );
        for (const [index, { messageId }] of messages.entries()) {
          const entry = entries[seqs[index]! - 1];
          ok(entry?.kind === "message" && entry.message_id === messageId);
          equal(await ann.send(group, messages[index]!), seqs[index]);
        }
      }
    },
  },
  {
    name: "keeps the order in which one session sent without waiting (G4)",
    async run(system) {
      const [ann, bob] = await signUp(system, 2);
      const group = await groupOf(ann, bob);
      const [sending, receiving] = [await ann.connect({ [group]: 3 }), await bob.connect({ [group]: 3 })];
      const seqs = await Promise.all(times(50, (index) => sending.send(group, message(`number ${index}`))));
      await receiving.until(group, 53);
      deepEqual(
        seqs,
        times(50, (index) => index + 4),
      );
      deepEqual(
        textsOf(receiving, group),
        times(50, (index) => `number ${index}`),
      );
      await close([sending, receiving]);
    },
  },
  {
    name: "gives a session what it missed, from wherever it was (G6)",
    async run(system) {
      const [ann, bob] = await signUp(system, 2);
      const group = await groupOf(ann, bob);
      await Promise.all(times(20, () => ann.send(group, message())));
      for (const [round, cursor] of [0, 1, 7, 22, 23].entries()) {
        const head = 23 + round;
        const { conversations } = await bob.sync({ [group]: cursor });
        const synced = conversations.find(({ conversation }) => conversation === group)?.entries ?? [];
        deepEqual(
          synced.map(({ seq }) => seq),
          upTo(head).slice(cursor),
        );
        const session = await bob.connect({ [group]: cursor });
        await ann.send(group, message("a later one"));
        await session.until(group, head + 1);
        deepEqual(seqsOf(session, group), upTo(head + 1).slice(cursor));
        await session.close();
      }
    },
  },
  {
    name: "gives a removed member the removal and nothing after it (G7)",
    async run(system) {
      const [owner, removed, other] = await signUp(system, 3);
      const group = await groupOf(owner, removed, other);
      // Where the removed member still is: what comes here comes after what might have come there.
      const elsewhere = await groupOf(owner, removed);
      const session = await removed.connect({ [group]: 4, [elsewhere]: 3 });
      const before = await owner.send(group, message("before"));
      await session.until(group, before);

      await owner.remove(group, removed.user);
      const secrets = await Promise.all(times(10, () => owner.send(group, message("secret"))));
      const sentinel = await owner.send(elsewhere, message("sentinel"));
      await session.until(elsewhere, sentinel);

      ok(textsOf(session, group).includes("before"));
      deepEqual(textsOf(session, group).includes("secret"), false);
      deepEqual(seqsOf(session, group), [before, before + 1]);
      const known = await readAll(removed, group);
      equal(known.at(-1)?.seq, before + 1);
      const { conversations } = await removed.sync({ [group]: 0 });
      const synced = conversations.find(({ conversation }) => conversation === group);
      equal(synced?.status, "ended");
      equal(synced?.entries.at(-1)?.seq, before + 1);
      await rejectsWith("not-a-member", removed.send(group, message()));
      // The others got them, so they were there to be got.
      equal((await readAll(other, group)).at(-1)?.seq, Math.max(...secrets));
      await session.close();
    },
  },
  {
    name: "gives a removed member's later sessions nothing either (G7)",
    async run(system) {
      const [owner, removed] = await signUp(system, 2);
      const group = await groupOf(owner, removed);
      await removed.connect({ [group]: 0 }).then((session) => session.until(group, 3).then(() => session.close()));
      await owner.remove(group, removed.user);
      const elsewhere = await groupOf(owner, removed);
      const session = await removed.connect({ [group]: 0, [elsewhere]: 3 });
      await owner.send(group, message("secret"));
      await session.until(elsewhere, await owner.send(elsewhere, message("sentinel")));
      ok(seqsOf(session, group).every((seq) => seq <= 4));
      await session.close();
    },
  },
  {
    name: "lets who joins a group without history read from his joining on, and no more (G7)",
    async run(system) {
      const [owner, late] = await signUp(system, 2);
      const group = await owner.createGroup({ history: "since-join" });
      await owner.send(group, message("secret"));
      await late.join(group);
      const after = await owner.send(group, message("hello"));
      const entries = await readAll(late, group);
      deepEqual(
        entries.map(({ seq }) => seq),
        [4, after],
      );
      const session = await late.connect({ [group]: 0 });
      await session.until(group, after);
      equal(textsOf(session, group).includes("secret"), false);
      await session.close();
    },
  },
  {
    name: "shows a stranger nothing (G7)",
    async run(system) {
      const [owner, stranger] = await signUp(system, 2);
      const group = await groupOf(owner);
      await owner.send(group, message("secret"));
      await rejectsWith("not-a-member", stranger.history(group, 0));
      await rejectsWith("not-a-member", stranger.send(group, message()));
      deepEqual((await stranger.sync({ [group]: 0 })).conversations, []);
    },
  },
];

const message = (text = "hello") => ({ messageId: fresh.message(), text });

const signUp = async (system: System, count: number): Promise<[SystemUser, SystemUser, SystemUser]> =>
  (await Promise.all(times(count, () => system.signUp()))) as [SystemUser, SystemUser, SystemUser];

/** A public group: entries 1 and 2 are its creation, and each further member's joining is one more. */
async function groupOf(owner: SystemUser, ...members: readonly SystemUser[]): Promise<ConversationId> {
  const group = await owner.createGroup();
  for (const member of members) await member.join(group);
  return group;
}

async function readAll(user: SystemUser, conversation: ConversationId): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const page = await user.history(conversation, all.at(-1)?.seq ?? 0);
    if (page.length === 0) return all;
    all.push(...page);
  }
}

const entriesOf = ({ delivered }: SystemSession, conversation: ConversationId): readonly Entry[] =>
  delivered.flatMap((one) => (one.conversation === conversation ? one.entry : []));
const seqsOf = (session: SystemSession, conversation: ConversationId): readonly Seq[] =>
  entriesOf(session, conversation).map(({ seq }) => seq);
const textsOf = (session: SystemSession, conversation: ConversationId): readonly string[] =>
  entriesOf(session, conversation).flatMap((entry) => (entry.kind === "message" ? entry.text : []));

const close = (sessions: readonly SystemSession[]) => Promise.all(sessions.map((session) => session.close()));

async function rejectsWith(code: string, answer: Promise<unknown>): Promise<void> {
  const error = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  ok(error instanceof TidingsError, `Expected ${code}.`);
  equal(error.code, code);
}
