import { deepEqual, equal, ok } from "node:assert/strict";
import { type Change, type ChangeFeed, mayMention } from "@tidings/core";
import { asSeq, type ConversationId } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { Installation } from "./installation.ts";
import { fresh, groupDraft, messageDraft, messageRequest, rangeFrom, seqsOf, times, upTo } from "./samples.ts";

/** The promises of `ChangeFeed`. */
export const changeFeedCases: readonly ContractCase<Installation>[] = [
  {
    name: "gives what was committed, in ranges without holes and in order",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const [one, other] = [fresh.conversation(), fresh.conversation()];
      await messages.append({ conversation: one, drafts: [groupDraft(), messageDraft()] });
      await messages.append(messageRequest(other));
      await messages.append(messageRequest(one));
      const seen = await changesUntil(feed, consumer, { [one]: 3, [other]: 1 });
      deepEqual(seqsIn(seen, one), [1, 2, 3]);
      deepEqual(seqsIn(seen, other), [1]);
      ok(seen.every(({ position }, index) => position >= (seen[index - 1]?.position ?? 0)));
    },
  },
  {
    name: "says nothing of a request that stored nothing",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const request = messageRequest(fresh.conversation());
      await messages.append(request);
      await messages.append(request);
      await messages.append({ conversation: request.conversation, drafts: [groupDraft()], ifGroupSeq: asSeq(7) });
      await messages.append(messageRequest(request.conversation));
      const seen = await changesUntil(feed, consumer, { [request.conversation]: 2 });
      deepEqual(seqsIn(seen, request.conversation), [1, 2]);
    },
  },
  {
    name: "wakes a consumer that waits, without anybody moving a clock",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const conversation = fresh.conversation();
      const stop = new AbortController();
      const iteration = feed.changes(consumer, stop.signal)[Symbol.asyncIterator]();
      for (const seq of upTo(5)) {
        const next = iteration.next();
        await messages.append(messageRequest(conversation));
        const { value } = await next;
        deepEqual(seqsIn(value as readonly Change[], conversation), [seq]);
      }
      stop.abort();
      equal((await iteration.next()).done, true);
    },
  },
  {
    name: "ends without an error when the signal aborts, also while it waits",
    async run({ stores: { feed } }) {
      const consumer = await consumerAtTail(feed);
      const stop = new AbortController();
      const next = feed.changes(consumer, stop.signal)[Symbol.asyncIterator]().next();
      stop.abort();
      equal((await next).done, true);
      equal((await feed.changes(consumer, stop.signal)[Symbol.asyncIterator]().next()).done, true);
    },
  },
  {
    name: "gives again what a consumer did not advance over, and nothing that it did",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const conversation = fresh.conversation();
      for (const _ of upTo(4)) await messages.append(messageRequest(conversation));
      const seen = await changesUntil(feed, consumer, { [conversation]: 4 });
      deepEqual(await changesUntil(feed, consumer, { [conversation]: 4 }), seen);
      const second = seen.find(({ toSeq }) => toSeq === 2);
      await feed.advance(consumer, second?.position ?? 0);
      deepEqual(seqsIn(await changesUntil(feed, consumer, { [conversation]: 4 }), conversation), [3, 4]);
    },
  },
  {
    name: "never moves a consumer back, and tells where each one is",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const conversation = fresh.conversation();
      for (const _ of upTo(3)) await messages.append(messageRequest(conversation));
      const seen = await changesUntil(feed, consumer, { [conversation]: 3 });
      const [first, last] = [seen[0]?.position ?? 0, seen.at(-1)?.position ?? 0];
      await feed.advance(consumer, last);
      await feed.advance(consumer, first);
      const { newest, consumers } = await feed.positions();
      equal(consumers.get(consumer), last);
      ok(newest >= last);
    },
  },
  {
    name: "keeps for one consumer what another one is done with",
    async run({ stores: { messages, feed } }) {
      const [slow, quick] = [await consumerAtTail(feed), await consumerAtTail(feed)];
      const conversation = fresh.conversation();
      await Promise.all(times(1_500, () => messages.append(messageRequest(conversation))));
      const seen = await changesUntil(feed, quick, { [conversation]: 1_500 });
      await feed.advance(quick, seen.at(-1)?.position ?? 0);
      await messages.append(messageRequest(conversation));
      deepEqual(seqsIn(await changesUntil(feed, slow, { [conversation]: 1_501 }), conversation), upTo(1_501));
    },
  },
  {
    name: "calls a change plain only if all of it are messages that mention nobody",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const [plain, mentioning, changing] = times(3, fresh.conversation);
      const mentions = JSON.stringify({ kind: "message", at_ms: 1_000, text: "", mentions: [fresh.user()] });
      const mention = { ...messageDraft(), json: mentions };
      await Promise.all([
        messages.append(messageRequest(plain!)),
        messages.append({ conversation: mentioning!, drafts: [messageDraft(), mention, messageDraft()] }),
        messages.append({ conversation: changing!, drafts: [messageDraft(), groupDraft()] }),
      ]);
      const seen = await changesUntil(feed, consumer, { [plain!]: 1, [mentioning!]: 3, [changing!]: 2 });
      const called = seen.filter(({ isPlain }) => isPlain === true);
      for (const { conversation, fromSeq, toSeq } of called) {
        const entries = await messages.entries(rangeFrom(conversation, fromSeq, toSeq));
        ok(entries.every(({ kind, json }) => kind === "message" && !mayMention(json)));
      }
    },
  },
  {
    name: "gives a long backlog in batches of at most 1,000, complete and in order",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      // One commit for all of a conversation would be one change: so these are many conversations.
      const conversations = times(2_500, fresh.conversation);
      await Promise.all(conversations.map((conversation) => messages.append(messageRequest(conversation))));
      const seen: Change[] = [];
      const stop = new AbortController();
      for await (const batch of feed.changes(consumer, stop.signal)) {
        ok(batch.length > 0 && batch.length <= 1_000);
        // Changes of one position come in one batch: a consumer may advance over any batch that it has.
        ok((batch[0]?.position ?? 0) > (seen.at(-1)?.position ?? 0));
        seen.push(...batch);
        if (seen.length >= 2_500) stop.abort();
      }
      equal(seen.length, 2_500);
      deepEqual(new Set(seen.map(({ conversation }) => conversation)), new Set(conversations));
      ok(seen.every(({ position }, index) => position >= (seen[index - 1]?.position ?? 0)));
    },
  },
  {
    name: "tells of an entry only when it can be read",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const conversation = fresh.conversation();
      const stop = new AbortController();
      const reading = (async () => {
        for await (const batch of feed.changes(consumer, stop.signal)) {
          for (const { fromSeq, toSeq } of batch) {
            const entries = await messages.entries(rangeFrom(conversation, fromSeq, toSeq));
            equal(entries.length, toSeq - fromSeq + 1);
            if (toSeq === 200) stop.abort();
          }
        }
      })();
      for (const _ of upTo(200)) await messages.append(messageRequest(conversation));
      await reading;
    },
  },
  {
    name: "reaches a consumer that falls behind and catches up while others write",
    async run({ stores: { messages, feed } }) {
      const consumer = await consumerAtTail(feed);
      const conversations = times(5, fresh.conversation);
      const write = async (conversation: ConversationId): Promise<void> => {
        for (const _ of upTo(60)) {
          await Promise.all(times(5, () => messages.append(messageRequest(conversation))));
        }
      };
      const writing = Promise.all(conversations.map(write));
      const wanted = Object.fromEntries(conversations.map((conversation) => [conversation, 300]));
      const seen = await changesUntil(feed, consumer, wanted, () => messages.heads(conversations));
      await writing;
      for (const conversation of conversations) deepEqual(seqsIn(seen, conversation), upTo(300));
    },
  },
  {
    name: "goes on after a crash at the latest where a consumer had advanced to (at least once)",
    async run(installation) {
      if (installation.crash === undefined) return;
      const consumer = await consumerAtTail(installation.stores.feed);
      const conversation = fresh.conversation();
      for (const _ of upTo(3)) await installation.stores.messages.append(messageRequest(conversation));
      const seen = await changesUntil(installation.stores.feed, consumer, { [conversation]: 3 });
      await installation.stores.feed.advance(consumer, seen.find(({ toSeq }) => toSeq === 2)?.position ?? 0);
      await installation.crash();
      await installation.stores.messages.append(messageRequest(conversation));
      const again = await changesUntil(installation.stores.feed, consumer, { [conversation]: 4 });
      deepEqual(seqsIn(again, conversation).slice(-2), [3, 4]);
      ok(again.every(({ position }, index) => position >= (again[index - 1]?.position ?? 0)));
      deepEqual(seqsOf(await installation.stores.messages.entries(rangeFrom(conversation, 1))), [1, 2, 3, 4]);
    },
  },
];

let consumers = 0;

/** A new consumer that is done with everything that there is. */
async function consumerAtTail(feed: ChangeFeed): Promise<string> {
  consumers += 1;
  const consumer = `consumer-${consumers}`;
  await feed.advance(consumer, (await feed.positions()).newest);
  return consumer;
}

/** What the consumer gets until it has seen these heads; `between` is awaited after each batch. */
async function changesUntil(
  feed: ChangeFeed,
  consumer: string,
  heads: Readonly<Record<string, number>>,
  between: () => Promise<unknown> = async () => undefined,
): Promise<readonly Change[]> {
  const missing = new Map(Object.entries(heads));
  const seen: Change[] = [];
  const stop = new AbortController();
  for await (const batch of feed.changes(consumer, stop.signal)) {
    seen.push(...batch);
    for (const { conversation, toSeq } of batch) {
      if (toSeq >= (missing.get(conversation) ?? Infinity)) missing.delete(conversation);
    }
    if (missing.size === 0) stop.abort();
    await between();
  }
  return seen;
}

/** Every seq that the changes say of a conversation, in their order. */
const seqsIn = (changes: readonly Change[], conversation: ConversationId): readonly number[] =>
  changes
    .filter((change) => change.conversation === conversation)
    .flatMap(({ fromSeq, toSeq }) => times(toSeq - fromSeq + 1, (index) => fromSeq + index));
