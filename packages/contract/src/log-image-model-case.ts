import { deepEqual } from "node:assert/strict";
import { type LogImage, type LoggedRequest, StaleEpochError, WrongPositionError } from "@tidings/core";
import { asMessageId, asSeq, asUserId, type ConversationId } from "@tidings/protocol";
import fc from "fast-check";
import type { ContractCase } from "./contract-case.ts";
import type { ImageFixture } from "./fleet-contracts.ts";
import { LogImageModel } from "./log-image-model.ts";
import { freshPartition, keyOf } from "./log-samples.ts";
import { allEntries, fresh, groupDraft, messageDraft, times } from "./samples.ts";

/** Holders that come, go and stall, and requests that repeat, in any order: the image does what the model does. */
export const imageModelCase: ContractCase<ImageFixture> = {
  name: "does what a simple model does, whoever applies whatever in whatever order",
  run: ({ image, stores: { messages } }) =>
    fc.assert(
      fc.asyncProperty(fc.array(arbitraryStep, { maxLength: 25 }), async (steps) => {
        const model = new LogImageModel();
        const [partitions, conversations] = [times(2, freshPartition), times(3, fresh.conversation)];
        const asked: LoggedRequest[] = [];
        for (const { partition: index, epoch, takesOver, behind, records, make } of steps) {
          const partition = partitions[index]!;
          if (takesOver) {
            deepEqual(await answerOf(image.takeOver(partition, epoch)), model.takeOver(partition, epoch));
            continue;
          }
          const afterPosition = model.position(partition) + behind;
          const requests = make.map((makeRequest) => makeRequest(conversations));
          asked.push(...requests);
          const batch = { partition, epoch, afterPosition, toPosition: afterPosition + records, requests };
          deepEqual(await answerOf(image.apply(batch)), model.apply(batch));
        }
        for (const partition of partitions) deepEqual(await image.position(partition), model.position(partition));
        deepEqual(await image.find(asked.map(keyOf)), model.find(asked.map(keyOf)));
        for (const conversation of conversations) {
          deepEqual(await allEntries(messages, conversation), model.entries(conversation));
          deepEqual((await messages.heads([conversation])).get(conversation), model.head(conversation));
        }
      }),
      { numRuns: 60 },
    ),
};

async function answerOf<T>(answer: ReturnType<LogImage["takeOver"]> | Promise<T>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof StaleEpochError) return "stale";
    if (error instanceof WrongPositionError) return "wrong position";
    throw error;
  }
}

const arbitraryRequest: fc.Arbitrary<(conversations: readonly ConversationId[]) => LoggedRequest> = fc
  .record({
    conversation: fc.nat({ max: 2 }),
    sender: fc.nat({ max: 1 }),
    message: fc.nat({ max: 12 }),
    drafts: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
    condition: fc.option(fc.nat({ max: 4 }), { freq: 3 }),
    atMs: fc.nat({ max: 100_000 }),
  })
  .map(({ conversation, sender, message, drafts, condition, atMs }) => (conversations) => ({
    conversation: conversations[conversation]!,
    key: { sender: asUserId(`u_${sender}`), messageId: asMessageId(`m-${message}`) },
    drafts: drafts.map((isMessage, index) =>
      isMessage ? messageDraft("text", atMs + index) : groupDraft(atMs + index),
    ),
    ...(condition !== null && { ifGroupSeq: asSeq(condition) }),
  }));

const arbitraryStep = fc.record({
  partition: fc.nat({ max: 1 }),
  epoch: fc.integer({ min: 1, max: 5 }),
  takesOver: fc.boolean(),
  /** Mostly a batch that follows what is applied. */
  behind: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) }),
  records: fc.integer({ min: 1, max: 3 }),
  make: fc.array(arbitraryRequest, { maxLength: 6 }),
});
