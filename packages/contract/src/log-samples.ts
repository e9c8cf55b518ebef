import type { EntryDraft, LogBatch, LogImage, LoggedKey, LoggedRequest } from "@tidings/core";
import { asUserId, type ConversationId, type MessageId, type Seq, type UserId } from "@tidings/protocol";
import { fresh, messageDraft } from "./samples.ts";

/** A request as it stands in the log: a message unless told otherwise, under a key of its own. */
export const loggedRequest = (
  conversation: ConversationId,
  options: { sender?: UserId; messageId?: MessageId; drafts?: readonly EntryDraft[]; ifGroupSeq?: Seq } = {},
): LoggedRequest => ({
  conversation,
  key: { sender: options.sender ?? asUserId("u_1"), messageId: options.messageId ?? fresh.message() },
  drafts: options.drafts ?? [messageDraft()],
  ...(options.ifGroupSeq !== undefined && { ifGroupSeq: options.ifGroupSeq }),
});

export const keyOf = ({ conversation, key }: LoggedRequest): LoggedKey => ({ conversation, ...key });

/** The holder of a partition, as a suite plays it: it knows how far it has come. */
export async function holdPartition(image: LogImage, partition: number, epoch = 1) {
  let { position } = await image.takeOver(partition, epoch);
  /** The next record's batch. */
  const batch = (requests: readonly LoggedRequest[]): LogBatch => ({
    partition,
    epoch,
    afterPosition: position,
    toPosition: position + 1,
    requests,
  });
  return {
    batch,
    apply: async (...requests: readonly LoggedRequest[]) => {
      const outcomes = await image.apply(batch(requests));
      position += 1;
      return outcomes;
    },
  };
}

let partitions = 0;
/** A partition that no other case uses. */
export const freshPartition = (): number => {
  partitions += 1;
  return partitions;
};
