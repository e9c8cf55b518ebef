import { deepEqual, equal, ok } from "node:assert/strict";
import type { AppendOutcome, AppendRequest } from "@tidings/core";
import { asMessageId, asSeq, asUserId, type ConversationId } from "@tidings/protocol";
import fc from "fast-check";
import type { ContractCase } from "./contract-case.ts";
import type { Installation } from "./installation.ts";
import { MessageStoreModel } from "./message-store-model.ts";
import {
  allEntries,
  appended,
  fresh,
  groupDraft,
  messageDraft,
  messageRequest,
  rangeFrom,
  seqsOf,
  stored,
  times,
  upTo,
} from "./samples.ts";

/** The promises of `MessageStore`. G1, G2, G3 and G4 rest on them. */
export const messageStoreCases: readonly ContractCase<Installation>[] = [
  {
    name: "numbers the entries of each conversation 1, 2, 3 … (G3)",
    async run({ stores: { messages } }) {
      const [one, other] = [fresh.conversation(), fresh.conversation()];
      deepEqual(await messages.append(messageRequest(one)), appended(1));
      deepEqual(await messages.append({ conversation: one, drafts: [groupDraft(), messageDraft()] }), appended(2, 3));
      deepEqual(await messages.append(messageRequest(other)), appended(1));
      deepEqual(seqsOf(await allEntries(messages, one)), [1, 2, 3]);
    },
  },
  {
    name: "gives back what was stored, character for character",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      const drafts = ["", 'quote " \\ and \u0000', "ünï 漢字 🧑‍🚀 \u2028", "x".repeat(20_000)].map((text) =>
        messageDraft(text),
      );
      await messages.append({ conversation, drafts });
      deepEqual(
        await allEntries(messages, conversation),
        drafts.map((draft, index) => stored(draft, index + 1)),
      );
    },
  },
  {
    name: "answers a repeated key with the original position, and stores nothing (G2)",
    async run({ stores: { messages } }) {
      const request = messageRequest(fresh.conversation(), { atMs: 1_234 });
      await messages.append(messageRequest(request.conversation));
      deepEqual(await messages.append(request), appended(2));
      await messages.append(messageRequest(request.conversation));
      const again = await messages.append({ ...request, drafts: [messageDraft("another text", 9_999)] });
      deepEqual(again, { outcome: "duplicate", seq: 2, atMs: 1_234 });
      equal((await allEntries(messages, request.conversation)).length, 3);
    },
  },
  {
    name: "stores a key once that comes many times at the same time (G2)",
    async run({ stores: { messages } }) {
      const request = messageRequest(fresh.conversation());
      const outcomes = await Promise.all(times(20, () => messages.append(request)));
      deepEqual(outcomes[0], appended(1));
      for (const again of outcomes.slice(1)) deepEqual(again, { outcome: "duplicate", seq: 1, atMs: 1_000 });
    },
  },
  {
    name: "remembers a key when thousands of messages came after it (G2)",
    async run({ stores: { messages } }) {
      const request = messageRequest(fresh.conversation());
      await messages.append(request);
      await Promise.all(times(3_000, () => messages.append(messageRequest(request.conversation))));
      deepEqual(await messages.append(request), { outcome: "duplicate", seq: 1, atMs: 1_000 });
    },
  },
  {
    name: "remembers a key after a crash (G2)",
    async run(installation) {
      if (installation.crash === undefined) return;
      const request = messageRequest(fresh.conversation());
      await installation.stores.messages.append(request);
      await installation.crash();
      deepEqual(await installation.stores.messages.append(request), { outcome: "duplicate", seq: 1, atMs: 1_000 });
      deepEqual(await installation.stores.messages.append(messageRequest(request.conversation)), appended(2));
    },
  },
  {
    name: "takes the same message id of another sender, or in another conversation, for another message",
    async run({ stores: { messages } }) {
      const [one, other, messageId] = [fresh.conversation(), fresh.conversation(), fresh.message()];
      const [ann, bob] = [fresh.user(), fresh.user()];
      deepEqual(await messages.append(messageRequest(one, { sender: ann, messageId })), appended(1));
      deepEqual(await messages.append(messageRequest(one, { sender: bob, messageId })), appended(2));
      deepEqual(await messages.append(messageRequest(other, { sender: ann, messageId })), appended(1));
    },
  },
  {
    name: "refuses an append whose condition does not hold, and stores none of its drafts",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      const first = { conversation, drafts: [groupDraft(), groupDraft()], ifGroupSeq: asSeq(0) };
      deepEqual(await messages.append({ ...first, ifGroupSeq: asSeq(1) }), { outcome: "conflict", groupSeq: 0 });
      equal((await messages.heads([conversation])).size, 0);
      deepEqual(await messages.append(first), appended(1, 2));
      deepEqual(await messages.append(first), { outcome: "conflict", groupSeq: 2 });
      deepEqual(await messages.append(messageRequest(conversation)), appended(3));
      deepEqual(await messages.append({ ...first, ifGroupSeq: asSeq(2) }), appended(4, 5));
      equal((await allEntries(messages, conversation)).length, 5);
    },
  },
  {
    name: "looks at the key before the condition",
    async run({ stores: { messages } }) {
      const request = { ...messageRequest(fresh.conversation()), ifGroupSeq: asSeq(0) };
      deepEqual(await messages.append(request), appended(1));
      await messages.append({ conversation: request.conversation, drafts: [groupDraft()] });
      deepEqual(await messages.append(request), { outcome: "duplicate", seq: 1, atMs: 1_000 });
      const unknown = { ...messageRequest(request.conversation), ifGroupSeq: asSeq(0) };
      deepEqual(await messages.append(unknown), { outcome: "conflict", groupSeq: 2 });
      deepEqual(await messages.append({ ...unknown, ifGroupSeq: asSeq(2) }), appended(3));
    },
  },
  {
    name: "lets exactly one of many through that depend on the same group seq",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      let groupSeq = asSeq(0);
      for (const round of upTo(5)) {
        const request = { conversation, drafts: [groupDraft()], ifGroupSeq: groupSeq };
        const outcomes = await Promise.all(times(20, () => messages.append(request)));
        equal(outcomes.filter(({ outcome }) => outcome === "appended").length, 1);
        equal(outcomes.filter(({ outcome }) => outcome === "conflict").length, 19);
        groupSeq = asSeq(round);
      }
      equal((await allEntries(messages, conversation)).length, 5);
    },
  },
  {
    name: "keeps the order of requests that are made without waiting for answers (G4)",
    async run({ stores: { messages } }) {
      const conversations = times(5, fresh.conversation);
      const made = times(500, (index) => messageRequest(conversations[index % 5]!, { text: `number ${index}` }));
      await Promise.all(made.map((request) => messages.append(request)));
      for (const [offset, conversation] of conversations.entries()) {
        const expected = times(100, (index) => stored(messageDraft(`number ${index * 5 + offset}`), index + 1));
        deepEqual(await allEntries(messages, conversation), expected);
      }
    },
  },
  {
    name: "keeps the drafts of one request together among many requests",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      const trios = times(50, (index) => ["a", "b", "c"].map((part) => messageDraft(`${index} ${part}`)));
      const outcomes = await Promise.all(trios.map((drafts) => messages.append({ conversation, drafts })));
      const entries = await allEntries(messages, conversation);
      for (const [index, outcome] of outcomes.entries()) {
        ok(outcome.outcome === "appended" && outcome.lastSeq === outcome.firstSeq + 2);
        const own = entries.slice(outcome.firstSeq - 1, outcome.lastSeq);
        deepEqual(
          own,
          trios[index]?.map((draft, part) => stored(draft, outcome.firstSeq + part)),
        );
      }
    },
  },
  {
    name: "loses, doubles and holes nothing when many write at the same time (G2, G3)",
    async run({ stores: { messages } }) {
      const conversations = times(7, fresh.conversation);
      const texts = new Map<ConversationId, Set<string>>(conversations.map((id) => [id, new Set()]));
      const write = async (caller: number): Promise<void> => {
        for (const turn of upTo(30)) {
          const conversation = conversations[(caller + turn) % conversations.length]!;
          const outcome = await messages.append(messageRequest(conversation, { text: `${caller}/${turn}` }));
          ok(outcome.outcome === "appended");
          texts.get(conversation)?.add(stored(messageDraft(`${caller}/${turn}`), outcome.firstSeq).json);
        }
      };
      await Promise.all(times(40, write));
      for (const [conversation, expected] of texts) {
        const entries = await allEntries(messages, conversation);
        deepEqual(seqsOf(entries), upTo(expected.size));
        deepEqual(new Set(entries.map(({ json }) => json)), expected);
      }
    },
  },
  {
    name: "keeps whatever it acknowledged through a crash (G1)",
    async run(installation) {
      if (installation.crash === undefined) return;
      const conversation = fresh.conversation();
      for (const round of upTo(3)) {
        await Promise.all(times(10, () => installation.stores.messages.append(messageRequest(conversation))));
        await installation.crash();
        deepEqual(seqsOf(await allEntries(installation.stores.messages, conversation)), upTo(round * 10));
      }
    },
  },
  {
    name: "shows only what would survive a crash",
    async run(installation) {
      if (installation.crash === undefined) return;
      const conversation = fresh.conversation();
      const pending = installation.stores.messages.append(messageRequest(conversation)).catch(() => undefined);
      const seen = (await installation.stores.messages.heads([conversation])).get(conversation)?.head ?? 0;
      await installation.crash();
      await pending;
      const kept = (await installation.stores.messages.heads([conversation])).get(conversation)?.head ?? 0;
      ok(kept >= seen);
    },
  },
  {
    name: "answers ranges dense and ascending, ending at the head",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      await messages.append({ conversation, drafts: times(10, () => messageDraft()) });
      deepEqual(seqsOf(await messages.entries(rangeFrom(conversation, 3, 5))), [3, 4, 5]);
      deepEqual(seqsOf(await messages.entries(rangeFrom(conversation, 9, 50))), [9, 10]);
      deepEqual(await messages.entries(rangeFrom(conversation, 11, 50)), []);
      deepEqual(await messages.entries(rangeFrom(fresh.conversation(), 1, 50)), []);
    },
  },
  {
    name: "ends an answer after the entry that reaches the characters asked for, but not before the first",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      await messages.append({ conversation, drafts: times(10, () => messageDraft("x".repeat(200))) });
      const [{ json } = { json: "" }] = await allEntries(messages, conversation);
      const range = (charactersMax: number) => messages.entries({ ...rangeFrom(conversation, 1), charactersMax });
      deepEqual(seqsOf(await range(1)), [1]);
      deepEqual(seqsOf(await range(json.length)), [1]);
      deepEqual(seqsOf(await range(json.length + 1)), [1, 2]);
      deepEqual(seqsOf(await range(json.length * 3)), [1, 2, 3]);
    },
  },
  {
    name: "keeps the newest end of a range if that is asked for, dense, ascending, up to its last entry or the head",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      await messages.append({ conversation, drafts: times(9, () => messageDraft("x".repeat(200))) });
      await messages.append({ conversation, drafts: times(6, () => messageDraft("y".repeat(200))) });
      const all = await allEntries(messages, conversation);
      const length = (from: number, to: number) =>
        all.slice(from - 1, to).reduce((sum, { json }) => sum + json.length, 0);
      const newest = (fromSeq: number, toSeq: number, charactersMax = 1_000_000) =>
        messages.entries({ ...rangeFrom(conversation, fromSeq, toSeq), charactersMax, keep: "newest" });
      deepEqual(await newest(1, 99), all);
      deepEqual(await newest(4, 12), all.slice(3, 12));
      deepEqual(seqsOf(await newest(1, 99, 1)), [15]);
      deepEqual(seqsOf(await newest(1, 7, 1)), [7]);
      deepEqual(seqsOf(await newest(5, 5, 1)), [5]);
      deepEqual(await newest(16, 99), []);
      for (const last of upTo(15)) {
        for (const first of upTo(last)) {
          const expected = upTo(last).slice(first - 1);
          deepEqual(seqsOf(await newest(1, last, length(first, last))), expected);
          deepEqual(seqsOf(await newest(1, last, length(first, last) - 1)), expected);
        }
      }
    },
  },
  {
    name: "tells heads as they are when an append is answered, and leaves out what has no entry",
    async run({ stores: { messages } }) {
      const [conversation, empty] = [fresh.conversation(), fresh.conversation()];
      await messages.append({ conversation, drafts: [groupDraft(), groupDraft()] });
      await messages.append(messageRequest(conversation));
      const heads = await messages.heads([empty, conversation]);
      deepEqual([...heads], [[conversation, { head: 3, groupSeq: 2, messages: 1 }]]);
      for (const turn of upTo(20)) {
        await messages.append(messageRequest(conversation));
        equal((await messages.heads([conversation])).get(conversation)?.head, 3 + turn);
      }
    },
  },
  {
    name: "tells no head whose entries cannot be read yet",
    async run({ stores: { messages } }) {
      let isOver = false;
      const look = async (conversation: ConversationId): Promise<void> => {
        for (let head = 0; head < 3 && !isOver; ) {
          head = (await messages.heads([conversation])).get(conversation)?.head ?? 0;
          const entries = await messages.entries(rangeFrom(conversation, 1));
          ok(entries.length >= head, `The head is ${head}, but ${entries.length} entries can be read.`);
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      for (const _ of upTo(20)) {
        const conversations = times(20, fresh.conversation);
        const write = async (conversation: ConversationId): Promise<void> => {
          for (const __ of upTo(3)) await messages.append(messageRequest(conversation));
        };
        await Promise.all([...conversations.map(look), ...conversations.map(write)]).finally(() => {
          isOver = true;
        });
        isOver = false;
      }
    },
  },
  {
    name: "counts messages, and no other entries, up to each point",
    async run({ stores: { messages } }) {
      const conversation = fresh.conversation();
      const [message, change] = [messageDraft(), groupDraft()];
      await messages.append({ conversation, drafts: [change, message, message, change, message] });
      const points = [0, 1, 2, 3, 4, 5, 99].map((seq) => ({ conversation, seq: asSeq(seq) }));
      deepEqual(await messages.messagesUpTo(points), [0, 0, 1, 2, 2, 3, 3]);
      deepEqual(await messages.messagesUpTo([{ conversation: fresh.conversation(), seq: asSeq(5) }]), [0]);
    },
  },
  {
    name: "reads the same after it was opened again",
    async run(installation) {
      if (installation.crash === undefined) return;
      const conversation = fresh.conversation();
      await installation.stores.messages.append({
        conversation,
        drafts: times(50, (at) => [messageDraft(), groupDraft()][at % 2]!),
      });
      const look = async () => ({
        entries: await allEntries(installation.stores.messages, conversation),
        heads: await installation.stores.messages.heads([conversation]),
        counts: await installation.stores.messages.messagesUpTo(
          upTo(50).map((seq) => ({ conversation, seq: asSeq(seq) })),
        ),
      });
      const before = await look();
      await installation.crash();
      deepEqual(await look(), before);
    },
  },
  {
    name: "does what a simple model does, whatever comes in whatever groups (G2, G3, G4)",
    run: ({ stores: { messages } }) =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.array(arbitraryAppend, { maxLength: 12 }), { maxLength: 6 }), async (bursts) => {
          const model = new MessageStoreModel();
          const conversations = times(3, fresh.conversation);
          for (const burst of bursts) {
            const requests = burst.map((make) => make(conversations));
            const expected = requests.map((request): AppendOutcome => model.append(request));
            deepEqual(await Promise.all(requests.map((request) => messages.append(request))), expected);
          }
          for (const conversation of conversations) {
            deepEqual(await allEntries(messages, conversation), model.entries(conversation));
            deepEqual((await messages.heads([conversation])).get(conversation), model.head(conversation));
          }
        }),
        { numRuns: 60 },
      ),
  },
];

/** An append to one of the conversations given: a message with one of few keys, or entries, with or without a condition. */
const arbitraryAppend: fc.Arbitrary<(conversations: readonly ConversationId[]) => AppendRequest> = fc
  .record({
    conversation: fc.nat({ max: 2 }),
    key: fc.option(fc.record({ sender: fc.nat({ max: 1 }), message: fc.nat({ max: 8 }) })),
    others: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
    condition: fc.option(fc.nat({ max: 4 }), { freq: 3 }),
    atMs: fc.nat({ max: 100_000 }),
  })
  .map(({ conversation, key, others, condition, atMs }) => (conversations) => ({
    conversation: conversations[conversation]!,
    ...(condition !== null && { ifGroupSeq: asSeq(condition) }),
    ...(key === null
      ? { drafts: others.map((isMessage) => (isMessage ? messageDraft("other", atMs) : groupDraft(atMs))) }
      : {
          drafts: [messageDraft("keyed", atMs)],
          key: { sender: asUserId(`u_${key.sender}`), messageId: asMessageId(`m-${key.message}`) },
        }),
  }));
