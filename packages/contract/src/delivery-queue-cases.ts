import { deepEqual, equal, ok } from "node:assert/strict";
import type { DeliveryQueue, QueuedDelivery } from "@tidings/core";
import { asSeq, type ConversationId } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { QueueFixture } from "./link-contracts.ts";
import { fresh, times, upTo } from "./samples.ts";

/** The promises of `DeliveryQueue`. Each case leaves the queue empty. */
export const deliveryQueueCases: readonly ContractCase<QueueFixture>[] = [
  {
    name: "gives what was pushed in the order in which it was pushed",
    async run({ queue }) {
      const conversation = fresh.conversation();
      const taking = take(queue, 100);
      for (const round of upTo(10)) {
        await queue.push(times(10, (index) => delivery(conversation, (round - 1) * 10 + index + 1)));
      }
      deepEqual(seqsOf(await taking), upTo(100));
      equal(queue.depth, 0);
    },
  },
  {
    name: "keeps the order of pushes that are made without waiting",
    async run({ queue, bound }) {
      const conversation = fresh.conversation();
      const count = bound * 3;
      const pushes = times(count, (index) => queue.push([delivery(conversation, index + 1)]));
      deepEqual(seqsOf(await take(queue, count)), upTo(count));
      await Promise.all(pushes);
    },
  },
  {
    name: "lets a push wait while its bound of deliveries is queued, and no longer (G8)",
    async run({ queue, bound }) {
      const conversation = fresh.conversation();
      await queue.push(times(bound, (index) => delivery(conversation, index + 1)));
      let isTakenUp = false;
      const beyond = queue.push([delivery(conversation, bound + 1)]).then(() => {
        isTakenUp = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      equal(isTakenUp, false);
      equal(queue.depth, bound);
      deepEqual(seqsOf(await take(queue, bound + 1)), upTo(bound + 1));
      await beyond;
    },
  },
  {
    name: "takes a push that is larger than its bound in portions (G8)",
    async run({ queue, bound }) {
      const conversation = fresh.conversation();
      const pushed = queue.push(times(bound * 2 + 1, (index) => delivery(conversation, index + 1)));
      ok(queue.depth <= bound);
      deepEqual(seqsOf(await take(queue, bound * 2 + 1)), upTo(bound * 2 + 1));
      await pushed;
    },
  },
  {
    name: "wakes a taker that waits, and ends it without an error when its signal aborts",
    async run({ queue }) {
      const stop = new AbortController();
      const taker = queue.take(stop.signal)[Symbol.asyncIterator]();
      const next = taker.next();
      const one = delivery(fresh.conversation(), 1);
      await queue.push([one]);
      deepEqual((await next).value, [one]);
      const last = taker.next();
      stop.abort();
      equal((await last).done, true);
    },
  },
  {
    name: "gives again to the next taker what a taker failed over",
    async run({ queue }) {
      const conversation = fresh.conversation();
      await queue.push(times(5, (index) => delivery(conversation, index + 1)));
      const failure = new Error("The taker fails.");
      const failing = async () => {
        for await (const _ of queue.take(new AbortController().signal)) throw failure;
      };
      equal(await failing().catch((error: unknown) => error), failure);
      deepEqual(seqsOf(await take(queue, 5)), upTo(5));
    },
  },
];

const delivery = (conversation: ConversationId, seq: number): QueuedDelivery => ({
  delivery: { conversation, fromSeq: asSeq(seq), entries: [] },
  recipients: [],
});

const seqsOf = (deliveries: readonly QueuedDelivery[]): readonly number[] =>
  deliveries.map((queued) => queued.delivery.fromSeq);

/** Takes until it has so many. */
async function take(queue: DeliveryQueue, count: number): Promise<readonly QueuedDelivery[]> {
  const taken: QueuedDelivery[] = [];
  const stop = new AbortController();
  for await (const batch of queue.take(stop.signal)) {
    taken.push(...batch);
    if (taken.length >= count) stop.abort();
  }
  return taken;
}
