import { directUsers, type ConversationId, type UserId } from "@tidings/protocol";
import {
  type Change,
  type DeliveryQueue,
  type EncodedEntry,
  membershipChangesOf,
  type QueuedDelivery,
} from "@tidings/core";
import type { AccessService, Base } from "../services.ts";
import { FeedConsumer } from "./feed-consumer.ts";
import { mergeChanges, readPieces } from "./read-changes.ts";

/**
 * The Group Worker, the change-data-capture side: reads the change feed of the Messaging DB, resolves a conversation to its
 * members, and queues deliveries in chunks of recipients.
 *
 * On the way it folds membership entries into the Group DB once more: whatever crashed between an entry and its
 * image is mended here, before anybody hears of the entry.
 */
export function createGroupWorker(
  base: Base,
  parts: { access: AccessService; deliveries: DeliveryQueue },
): FeedConsumer {
  const { stores, clock, log } = base;
  const { access, deliveries } = parts;
  return new FeedConsumer({ name: "group-worker", feed: stores.feed, clock, log, handle });

  async function handle(changes: readonly Change[]): Promise<void> {
    const queued = await Promise.all(
      mergeChanges(changes).map(async (range) => {
        const ofRange: QueuedDelivery[] = [];
        for await (const entries of readPieces(stores.messages, range)) {
          ofRange.push(...(await resolve(range.conversation, entries)));
        }
        return ofRange;
      }),
    );
    await deliveries.push(queued.flat());
  }

  async function resolve(conversation: ConversationId, entries: readonly EncodedEntry[]): Promise<QueuedDelivery[]> {
    const first = entries[0];
    if (first === undefined) return [];
    const ended = await applyMembership(conversation, entries);
    const members = await access.memberIds(conversation);
    const delivery = { conversation, fromSeq: first.seq, entries };
    return chunksOf(ended.length === 0 ? members : [...members, ...ended]).map((recipients) => ({
      delivery,
      recipients,
    }));
  }

  /** Answers with the users whose membership ended: they get the entry that says so, and their machines cut them off. */
  async function applyMembership(conversation: ConversationId, entries: readonly EncodedEntry[]): Promise<UserId[]> {
    if (entries.every(({ kind }) => kind === "message") || directUsers(conversation) !== undefined) return [];
    const changes = membershipChangesOf(entries);
    await stores.groups.apply(conversation, changes);
    access.noteChanges(conversation, changes);
    return changes.flatMap((change) => (change.change === "left" || change.change === "removed" ? [change.user] : []));
  }
}

/** The recipients of one queued delivery: a large group is many of them, which workers share. */
const recipientsMax = 1_000;

function chunksOf(users: readonly UserId[]): readonly (readonly UserId[])[] {
  if (users.length <= recipientsMax) return users.length === 0 ? [] : [users];
  const chunks: UserId[][] = [];
  for (let begin = 0; begin < users.length; begin += recipientsMax)
    chunks.push(users.slice(begin, begin + recipientsMax));
  return chunks;
}
