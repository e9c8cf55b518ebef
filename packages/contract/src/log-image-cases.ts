import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { keysAtOnceMax, type LogImage, type LoggedRequest, StaleEpochError, WrongPositionError } from "@tidings/core";
import { asSeq, TidingsError } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { ImageFixture } from "./fleet-contracts.ts";
import { imageModelCase } from "./log-image-model-case.ts";
import { freshPartition, holdPartition, keyOf, loggedRequest } from "./log-samples.ts";
import { allEntries, appended, fresh, groupDraft, messageDraft, seqsOf, stored, times, upTo } from "./samples.ts";

/** The promises of `LogImage`. */
export const logImageCases: readonly ContractCase<ImageFixture>[] = [
  {
    name: "applies requests in their order, and numbers the entries of each conversation 1, 2, 3 …",
    async run({ image, stores: { messages } }) {
      const [one, other] = [fresh.conversation(), fresh.conversation()];
      const holder = await holdPartition(image, freshPartition());
      const trio = [groupDraft(), messageDraft("and"), groupDraft()];
      const first = [loggedRequest(one), loggedRequest(other), loggedRequest(one, { drafts: trio })];
      deepEqual(await holder.apply(...first), [appended(1), appended(1), appended(2, 4)]);
      deepEqual(await holder.apply(loggedRequest(other), loggedRequest(one)), [appended(2), appended(5)]);
      const expected = [messageDraft(), ...trio, messageDraft()].map((draft, index) => stored(draft, index + 1));
      deepEqual(await allEntries(messages, one), expected);
      deepEqual(Object.fromEntries(await messages.heads([one, other])), {
        [one]: { head: 5, groupSeq: 4, messages: 3 },
        [other]: { head: 2, groupSeq: 0, messages: 2 },
      });
    },
  },
  {
    name: "tells how far a partition is applied: 0 at first, and each partition for itself",
    async run({ image }) {
      const [one, other] = [freshPartition(), freshPartition()];
      equal(await image.position(one), 0);
      deepEqual(await image.takeOver(one, 5), { position: 0 });
      const batch = { partition: one, epoch: 5, afterPosition: 0, toPosition: 7 };
      await image.apply({ ...batch, requests: [loggedRequest(fresh.conversation())] });
      equal(await image.position(one), 7);
      deepEqual(await image.takeOver(one, 5), { position: 7 });
      deepEqual(await image.takeOver(one, 6), { position: 7 });
      equal(await image.position(other), 0);
      deepEqual(await image.takeOver(other, 1), { position: 0 });
    },
  },
  {
    name: "moves on over records in which nothing is to be applied",
    async run({ image }) {
      const partition = freshPartition();
      const holder = await holdPartition(image, partition);
      deepEqual(await holder.apply(), []);
      equal(await image.position(partition), 1);
    },
  },
  {
    name: "applies a key once: in a batch, in another record, and long after",
    async run({ image, stores: { messages } }) {
      const conversation = fresh.conversation();
      const holder = await holdPartition(image, freshPartition());
      const request = loggedRequest(conversation, { drafts: [messageDraft("once", 1_234)] });
      const again = { ...request, drafts: [messageDraft("another text", 9_999)] };
      const duplicate = { outcome: "duplicate", seq: 2, atMs: 1_234 };
      deepEqual(await holder.apply(loggedRequest(conversation), request, again), [appended(1), appended(2), duplicate]);
      deepEqual(await holder.apply(again), [duplicate]);
      for (const _ of upTo(6)) await holder.apply(...times(500, () => loggedRequest(conversation)));
      deepEqual(await holder.apply(again, loggedRequest(conversation)), [duplicate, appended(3_003)]);
      equal((await messages.heads([conversation])).get(conversation)?.head, 3_003);
    },
  },
  {
    name: "lets a key of several drafts name the first of them",
    async run({ image }) {
      const conversation = fresh.conversation();
      const holder = await holdPartition(image, freshPartition());
      const request = loggedRequest(conversation, { drafts: [groupDraft(11), groupDraft(22), messageDraft("", 33)] });
      deepEqual(await holder.apply(loggedRequest(conversation), request), [appended(1), appended(2, 4)]);
      deepEqual(await holder.apply(request), [{ outcome: "duplicate", seq: 2, atMs: 11 }]);
      deepEqual(await image.find([keyOf(request)]), [{ seq: 2, atMs: 11 }]);
    },
  },
  {
    name: "stores nothing of a request whose condition does not hold, and applies those around it",
    async run({ image, stores: { messages } }) {
      const conversation = fresh.conversation();
      const holder = await holdPartition(image, freshPartition());
      const change = () => loggedRequest(conversation, { drafts: [groupDraft(), groupDraft()], ifGroupSeq: asSeq(0) });
      const [taken, refused] = [change(), change()];
      const outcomes = await holder.apply(loggedRequest(conversation), taken, refused, loggedRequest(conversation));
      deepEqual(outcomes, [appended(1), appended(2, 3), { outcome: "conflict", groupSeq: 3 }, appended(4)]);
      deepEqual(await image.find([keyOf(refused)]), [undefined]);
      deepEqual(await holder.apply({ ...refused, ifGroupSeq: asSeq(3) }), [appended(5, 6)]);
      deepEqual(seqsOf(await allEntries(messages, conversation)), upTo(6));
    },
  },
  {
    name: "looks at the key before the condition, also for what was stored a moment ago",
    async run({ image }) {
      const holder = await holdPartition(image, freshPartition());
      const request = loggedRequest(fresh.conversation(), { drafts: [groupDraft(77)], ifGroupSeq: asSeq(0) });
      const duplicate = { outcome: "duplicate", seq: 1, atMs: 77 };
      deepEqual(await holder.apply(request, request), [appended(1), duplicate]);
      deepEqual(await holder.apply(request), [duplicate]);
    },
  },
  {
    name: "refuses an older epoch, also when the newer one was only taken over",
    async run({ image, stores: { messages } }) {
      const partition = freshPartition();
      const conversation = fresh.conversation();
      const old = await holdPartition(image, partition, 3);
      await old.apply(loggedRequest(conversation));
      deepEqual(await image.takeOver(partition, 4), { position: 1 });
      await rejects(old.apply(loggedRequest(conversation)), StaleEpochError);
      await rejects(image.takeOver(partition, 3), StaleEpochError);
      equal(await image.position(partition), 1);
      const now = await holdPartition(image, partition, 4);
      deepEqual(await now.apply(loggedRequest(conversation)), [appended(2)]);
      await rejects(old.apply(loggedRequest(conversation)), StaleEpochError);
      equal((await messages.heads([conversation])).get(conversation)?.head, 2);
      const others = await holdPartition(image, freshPartition(), 1);
      deepEqual(await others.apply(loggedRequest(conversation)), [appended(3)]);
    },
  },
  {
    name: "takes many partitions over at the same time, and one again, each with its own position and epoch",
    async run({ image }) {
      const partitions = times(8, freshPartition);
      for (const [index, partition] of partitions.entries()) {
        const holder = await holdPartition(image, partition, index === 3 ? 9 : 1);
        for (const _ of upTo(index)) await holder.apply();
      }
      const again = partitions[5] as number;
      const answers = await Promise.allSettled([
        ...partitions.map((partition) => image.takeOver(partition, 2)),
        image.takeOver(again, 3),
        image.takeOver(again, 2),
      ]);
      const told = answers.map((answer) => (answer.status === "fulfilled" ? answer.value.position : answer.reason));
      const [third, last] = [told[3], told[9]];
      ok(third instanceof StaleEpochError && last instanceof StaleEpochError);
      deepEqual([...told.slice(0, 3), ...told.slice(4, 9)], [0, 1, 2, 4, 5, 6, 7, 5]);
    },
  },
  {
    name: "lets an old holder's last batch come before the new holder, or not at all",
    async run({ image, stores: { messages } }) {
      for (const round of upTo(20)) {
        const partition = freshPartition();
        const conversation = fresh.conversation();
        const old = await holdPartition(image, partition, 1);
        const applyOld = (): Promise<boolean> =>
          old.apply(loggedRequest(conversation)).then(
            () => true,
            (error: unknown) => !(error instanceof StaleEpochError),
          );
        // Either may come first.
        const early = round % 2 === 0 ? applyOld() : undefined;
        const taking = image.takeOver(partition, 2);
        const applied = await (early ?? applyOld());
        const { position } = await taking;
        equal(position, applied ? 1 : 0);
        equal((await messages.heads([conversation])).get(conversation)?.head ?? 0, position);
      }
    },
  },
  {
    name: "refuses a batch that does not follow what is applied, and applies nothing of it",
    async run({ image, stores: { messages } }) {
      const partition = freshPartition();
      const conversation = fresh.conversation();
      const holder = await holdPartition(image, partition);
      await holder.apply(loggedRequest(conversation));
      const request = loggedRequest(conversation);
      for (const [afterPosition, toPosition] of [
        [0, 1],
        [0, 2],
        [2, 3],
      ] as const) {
        const batch = { partition, epoch: 1, afterPosition, toPosition, requests: [request] };
        await rejects(image.apply(batch), WrongPositionError);
      }
      equal(await image.position(partition), 1);
      deepEqual(await image.find([keyOf(request)]), [undefined]);
      equal((await messages.heads([conversation])).get(conversation)?.head, 1);
    },
  },
  {
    name: "applies one of many batches that come for the same position",
    async run({ image, stores: { messages } }) {
      const partition = freshPartition();
      const conversation = fresh.conversation();
      const holder = await holdPartition(image, partition);
      const batches = times(10, () => holder.batch([loggedRequest(conversation), loggedRequest(conversation)]));
      const answers = await Promise.allSettled(batches.map((batch) => image.apply(batch)));
      equal(answers.filter(({ status }) => status === "fulfilled").length, 1);
      equal((await messages.heads([conversation])).get(conversation)?.head, 2);
      equal(await image.position(partition), 1);
    },
  },
  {
    name: "finds stored requests by their keys, in the order of the keys, and nothing else",
    async run({ image }) {
      const conversation = fresh.conversation();
      const holder = await holdPartition(image, freshPartition());
      const requests = times(keysAtOnceMax - 3, () => loggedRequest(conversation));
      await holder.apply(...requests);
      const key = keyOf(requests[0]!);
      const strangers = [
        { ...key, sender: fresh.user() },
        { ...key, conversation: fresh.conversation() },
        { ...key, messageId: fresh.message() },
      ];
      const found = await image.find([...strangers, ...requests.map(keyOf).reverse()]);
      const expected = requests.map((_, index) => ({ seq: index + 1, atMs: 1_000 })).reverse();
      deepEqual(found, [undefined, undefined, undefined, ...expected]);
      deepEqual(await image.find([]), []);
    },
  },
  {
    name: "tells no position whose entries and keys cannot be read yet",
    async run({ image, stores: { messages } }) {
      const partition = freshPartition();
      const conversation = fresh.conversation();
      const holder = await holdPartition(image, partition);
      const requests = times(20, () => loggedRequest(conversation));
      let isOver = false;
      const look = async (): Promise<void> => {
        while (!isOver) {
          const position = await image.position(partition);
          const head = (await messages.heads([conversation])).get(conversation)?.head ?? 0;
          const found = await image.find(requests.slice(0, position).map(keyOf));
          ok(head >= position && !found.includes(undefined), `The position is ${position}, but the head is ${head}.`);
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const write = async (): Promise<void> => {
        for (const request of requests) await holder.apply(request);
      };
      await Promise.all([look(), look(), write().finally(() => (isOver = true))]);
    },
  },
  {
    name: "keeps entries, position and epoch that it answered through a crash",
    async run(fixture) {
      if (fixture.crash === undefined) return;
      const partition = freshPartition();
      const conversation = fresh.conversation();
      const holder = await holdPartition(fixture.image, partition, 3);
      const request = loggedRequest(conversation);
      await holder.apply(request, loggedRequest(conversation));
      await fixture.image.takeOver(partition, 4);
      await fixture.crash();
      await rejects(fixture.image.takeOver(partition, 3), StaleEpochError);
      deepEqual(await fixture.image.takeOver(partition, 4), { position: 1 });
      deepEqual(await fixture.image.find([keyOf(request)]), [{ seq: 1, atMs: 1_000 }]);
      deepEqual(seqsOf(await allEntries(fixture.stores.messages, conversation)), [1, 2]);
    },
  },
  {
    name: "has entries and position together whenever it crashes",
    async run(fixture) {
      if (fixture.crash === undefined) return;
      for (const turns of times(8, (index) => index)) {
        const partition = freshPartition();
        const conversation = fresh.conversation();
        const records = upTo(4).map((count) => times(count, () => loggedRequest(conversation)));
        const applying = applyAll(fixture.image, partition, records);
        for (const _ of upTo(turns)) await new Promise((resolve) => setImmediate(resolve));
        await fixture.crash();
        await applying;
        const { position } = await fixture.image.takeOver(partition, 2);
        const entries = await allEntries(fixture.stores.messages, conversation);
        equal(entries.length, records.slice(0, position).flat().length);
      }
    },
  },
  imageModelCase,
];

/** Applies one record after the other, until the image ends. */
async function applyAll(image: LogImage, partition: number, records: readonly LoggedRequest[][]): Promise<void> {
  try {
    const holder = await holdPartition(image, partition, 1);
    for (const record of records) await holder.apply(...record);
  } catch (error) {
    // It crashed under way: what it then has is looked at by the case.
    if (!(error instanceof TidingsError)) throw error;
  }
}
