import {
  directUsers,
  type ConversationId,
  type MessageEntry,
  type NotifyMode,
  type Seq,
  type UserId,
} from "@tidings/protocol";
import {
  type Change,
  decideNotifications,
  type EncodedEntry,
  type Links,
  mayMention,
  type NewNotification,
} from "@tidings/core";
import { FeedConsumer } from "../group-worker/feed-consumer.ts";
import { mergeChanges, readPieces } from "../group-worker/read-changes.ts";
import type { Access, AccessService, Base } from "../services.ts";
import { NotifyModes } from "./notify-modes.ts";

/** Its name as a consumer of the change feed, and that of the lease under which one of many machines runs it. */
export const notifierName = "notifier";

/**
 * The notifier: a consumer of the change feed of its own, so that it neither waits for deliveries nor holds them up. It decides who
 * is notified of a message, stores that once for each user and message (G9), and tells the user's sessions.
 */
export function createNotifier(
  base: Base,
  parts: {
    access: AccessService;
    links: Links;
    /** Of modes that are remembered; without it they are exact. */
    modesLiveMs?: number;
    /** Brings the Group DB up to a conversation's entries, where nobody else follows the feed to do it. */
    fold?: (conversation: ConversationId) => Promise<void>;
  },
) {
  const { stores, clock, log } = base;
  const { access, links } = parts;
  const lives = parts.modesLiveMs === undefined ? undefined : { ms: parts.modesLiveMs, clock };
  const modes = new NotifyModes(stores.markers, lives);
  const consumer = new FeedConsumer({ name: notifierName, feed: stores.feed, clock, log, handle });

  async function handle(changes: readonly Change[]): Promise<void> {
    const wanted: NewNotification[] = [];
    for (const range of mergeChanges(changes)) {
      // Most messages mention nobody, and most conversations notify nobody of every message: these are not even read.
      if (range.isPlain && !(await notifiesOfEvery(range.conversation))) continue;
      for await (const entries of readPieces(stores.messages, range)) {
        wanted.push(...(await decide(range.conversation, entries)));
      }
    }
    for (let begin = 0; begin < wanted.length; begin += putMax) await notify(wanted.slice(begin, begin + putMax));
  }

  async function decide(conversation: ConversationId, entries: readonly EncodedEntry[]): Promise<NewNotification[]> {
    if (entries.some(({ kind }) => kind !== "message")) await parts.fold?.(conversation);
    const ofConversation = await modes.of(conversation);
    const everyMessage = await notifiesOfEvery(conversation);
    const found: NewNotification[] = [];
    const rights = new Map<UserId, Access | undefined>();
    for (const entry of entries) {
      if (entry.kind !== "message") continue;
      if (!everyMessage && !mayMention(entry.json)) continue;
      const message = JSON.parse(entry.json) as MessageEntry;
      // Who was one is looked up for those only who would be notified.
      const isMember = (): boolean => true;
      for (const { user, reason } of decideNotifications(message, { conversation, isMember, modes: ofConversation })) {
        if (!(await wasMember(user, { conversation, seq: entry.seq, rights }))) continue;
        found.push({ user, reason, conversation, seq: entry.seq, sender: message.sender, atMs: message.at_ms });
      }
    }
    return found;
  }

  async function notifiesOfEvery(conversation: ConversationId): Promise<boolean> {
    return directUsers(conversation) !== undefined || hasAll(await modes.of(conversation));
  }

  /** Where caches are hints, somebody may be no member any more whom they say to be one. */
  function memberSurely(conversation: ConversationId, user: UserId): Access | undefined {
    const cached = access.cachedMember(conversation, user);
    return cached?.checked === undefined ? cached : undefined;
  }

  /**
   * Membership when the message was sequenced counts: its reader may have been removed, or have joined, right after (G9). `rights`
   * are those that were read since the messages were: what they say of a seq that is stored does not change while they are used.
   */
  async function wasMember(
    user: UserId,
    { conversation, seq, rights }: { conversation: ConversationId; seq: Seq; rights: Map<UserId, Access | undefined> },
  ): Promise<boolean> {
    const pair = directUsers(conversation);
    if (pair !== undefined) return pair.includes(user);
    let right = rights.get(user);
    if (!rights.has(user)) {
      right = memberSurely(conversation, user) ?? (await access.accessAll(user, [conversation])).get(conversation);
      rights.set(user, right);
    }
    if (right === undefined) return false;
    const { joinedSeq, endedSeq } = right.membership;
    return joinedSeq < seq && (endedSeq === undefined || endedSeq > seq);
  }

  async function notify(wanted: readonly NewNotification[]): Promise<void> {
    const byUser = new Map<UserId, (typeof stored)[number]["notification"][]>();
    const stored = await stores.notifications.put(wanted);
    for (const { user, notification } of stored) {
      const list = byUser.get(user);
      if (list === undefined) byUser.set(user, [notification]);
      else list.push(notification);
    }
    for (const [user, notifications] of byUser) {
      for (const machine of await links.connections.machinesOf([user])) {
        links.machines.send(machine, { tell: "notifications", user, notifications });
      }
    }
  }

  return { consumer, modes };
}

function hasAll(modes: ReadonlyMap<UserId, NotifyMode>): boolean {
  for (const mode of modes.values()) if (mode === "all") return true;
  return false;
}

/** Notifications stored in one transaction. */
const putMax = 1_000;
