import {
  asConversationId,
  asSeq,
  limits,
  type ConversationId,
  type Seq,
  type SyncedFrame,
  type UserId,
} from "@tidings/protocol";
import type { EncodedEntry, Stores } from "@tidings/core";
import type { ReceiveTrail } from "../explain/receive-trail.ts";
import type { Access, AccessService } from "../services.ts";
import type { ArrivalTail } from "./arrival-tail.ts";
import { encodeDeliver, encodeFrame } from "./frames.ts";
import type { LocalConversation, Subscription } from "./local-conversation.ts";
import { newSyncBudget, readWithinBudget, type SyncBudget, takeWithinBudget } from "./range-reader.ts";
import type { Session } from "./session.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";

type SyncedConversationStatus = SyncedFrame["conversations"][number];

/**
 * The sync of a session on a socket: what it has → `deliver` frames for what it lacks, and the status of each
 * conversation. Pushing goes on from where the sync ends: a subscription's `sentSeq` is the only cursor the server keeps.
 */
export function createSessionSync(parts: {
  stores: Stores;
  access: AccessService;
  cache: UserSocketCache;
  trail: ReceiveTrail;
  /** Unsent bytes of a socket above which a sync gives no more: the rest is asked for when this has arrived (design, 4.8). */
  unsentBytesMax: number;
  /** Asks for a look at the head of a conversation, a moment later. */
  checkSoon: (conversation: ConversationId) => void;
}) {
  const { stores, access, cache, trail, unsentBytesMax, checkSoon } = parts;
  const { messages } = stores;

  return async function syncSession(
    session: Session,
    have: Readonly<Record<string, number>>,
  ): Promise<SyncedConversationStatus[]> {
    const ids = Object.keys(have).map(asConversationId);
    const user = session.caller.user.user_id;
    const heads = await messages.heads(ids);
    const endings = access.endingsOf(user);
    // After the heads, so that no head is above a removal that the right does not know of yet (G7).
    const rights = await access.accessAll(user, ids, { once: true });
    const budget = newSyncBudget();
    const synced: SyncedConversationStatus[] = [];
    for (const id of ids) {
      let right = rights.get(id);
      // Nothing is waited for between the last look at the endings and a subscription, so that it is his by right (G7).
      for (let seen = endings; seen !== access.endingsOf(user) || !hasSeenSince(right); ) {
        seen = access.endingsOf(user);
        right = await rightTo(id, user);
      }
      // What the user may not know of is left out, as if it did not exist.
      if (right === undefined || session.closed) continue;
      const head = heads.get(id)?.head ?? asSeq(0);
      const cursor = asSeq(Math.max(right.firstSeq - 1, Math.min(have[id] ?? 0, head)));
      synced.push(
        right.lastSeq === undefined
          ? await pushFrom(session, { right, head, cursor, budget })
          : await pushEnded(session, { right, lastSeq: right.lastSeq, head, cursor, budget }),
      );
    }
    return synced;
  };

  async function rightTo(id: ConversationId, user: UserId): Promise<Access | undefined> {
    return (await access.accessAll(user, [id])).get(id);
  }

  /** Would this machine know of a membership that ended after the right was read? If not, it is read again. */
  function hasSeenSince(right: Access | undefined): boolean {
    if (right?.checked === undefined || right.lastSeq !== undefined) return true;
    return cache.hasSeenSince(right.conversation, right.checked.seq);
  }

  /**
   * For a member: brings the subscription from the cursor to the head, as far as the budget goes. The right is good up to the head that
   * was known before it was read, and for whatever comes by this machine: an entry that ends the membership ends the subscription (G7).
   * Where the machine jumps over entries, the next sync asks for the right again.
   */
  async function pushFrom(
    session: Session,
    from: { right: Access; head: Seq; cursor: Seq; budget: SyncBudget },
  ): Promise<SyncedConversationStatus> {
    const id = from.right.conversation;
    const conversation = cache.conversationAt(id, from.head);
    const subscription =
      session.subscription(id) ?? cache.subscribe(session, { conversation, sentSeq: from.cursor, said: true });
    const { sentSeq: writtenSeq, beganSeq, said } = subscription;
    subscription.sentSeq = from.cursor;
    subscription.beganSeq = from.cursor;
    subscription.said = true;
    const { tail, release } = conversation.holdTail();
    try {
      return await push(session, { ...from, subscription, tail });
    } catch (error) {
      // What had been written before is on its way all the same; a cursor behind it would get no pushes any more. What ticks left out
      // meanwhile the client learns from the head (G5).
      if (writtenSeq > subscription.sentSeq) Object.assign(subscription, { sentSeq: writtenSeq, beganSeq, said });
      const head = headOf(conversation, conversation.arrivedSeq);
      if (isLive(subscription) && subscription.sentSeq < head)
        session.write(encodeFrame({ type: "heads", heads: { [id]: head } }));
      throw error;
    } finally {
      release();
    }
  }

  /** What was stored before is read; what arrives meanwhile is taken from the tail, and then ticks go on. */
  async function push(
    session: Session,
    from: { right: Access; head: Seq; budget: SyncBudget; subscription: Subscription; tail: ArrivalTail },
  ): Promise<SyncedConversationStatus> {
    const { subscription, tail, budget } = from;
    const { conversation } = subscription;
    const { id } = conversation;
    const { seenFromSeq } = conversation;
    const end = (): number => Math.max(from.head, conversation.arrivedSeq);
    /** Up to where the right is good. */
    const readableSeq = (): number => (conversation.seenFromSeq === seenFromSeq ? end() : from.head);
    const give = (entries: readonly EncodedEntry[]): void => {
      session.write(encodeDeliver(id, entries));
      noteFetched(session, id, entries);
      subscription.sentSeq = (entries.at(-1) as EncodedEntry).seq;
    };
    let entriesLeft: number = limits.syncEntriesMax;
    for (;;) {
      const { sentSeq } = subscription;
      if (sentSeq >= readableSeq() || entriesLeft === 0 || !isLive(subscription) || hasEnough(session, budget)) break;
      if (sentSeq >= tail.beforeSeq && sentSeq < conversation.arrivedSeq) {
        const piece = pieceOf(tail.after(sentSeq), entriesLeft);
        const entries = takeWithinBudget(piece, budget);
        if (entries.length === 0) break;
        give(entries);
        entriesLeft -= entries.length;
        continue;
      }
      const toSeq = asSeq(Math.min(Math.max(from.head, tail.beforeSeq), readableSeq(), sentSeq + entriesLeft));
      const range = { conversation: id, fromSeq: asSeq(sentSeq + 1), toSeq, charactersMax: pieceCharactersMax };
      const read = await readWithinBudget(messages, range, budget);
      // Meanwhile a tick may have written part of it, the membership may have ended, or the machine may have jumped.
      if (subscription.sentSeq !== sentSeq || !isLive(subscription)) continue;
      const entries = read.filter(({ seq }) => seq <= readableSeq());
      if (entries.length === 0) break;
      give(entries);
      entriesLeft -= entries.length;
    }
    const status = subscription.sentSeq >= end() ? "complete" : "truncated";
    // What this machine lacks itself comes by it soon: a client that asked for it would read what others read, too.
    if (status === "complete" && conversation.arrivedSeq < conversation.knownHead) checkSoon(id);
    const head = status === "complete" ? subscription.sentSeq : headOf(conversation, from.head);
    return { conversation: id, status, head, first_seq: from.right.firstSeq };
  }

  function noteFetched(session: Session, conversation: ConversationId, entries: readonly EncodedEntry[]): void {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return;
    const user = session.caller.user.user_id;
    trail.noteFetched({ user, conversation, fromSeq: first.seq, toSeq: last.seq, way: "sync" });
  }

  /** A slow line has enough to carry; each sync gives something, so that a client gets on. */
  function hasEnough(session: Session, budget: SyncBudget): boolean {
    return budget.isBegun && session.isOver(unsentBytesMax);
  }

  /** For a former member: what he may still read, once; there is nothing to push later. */
  async function pushEnded(
    session: Session,
    from: { right: Access; lastSeq: Seq; head: Seq; cursor: Seq; budget: SyncBudget },
  ): Promise<SyncedConversationStatus> {
    const id = from.right.conversation;
    const fromSeq = asSeq(from.cursor + 1);
    const range = { conversation: id, fromSeq, toSeq: from.lastSeq, charactersMax: pieceCharactersMax };
    const entries = hasEnough(session, from.budget) ? [] : await readWithinBudget(messages, range, from.budget);
    if (entries.length > 0) session.write(encodeDeliver(id, entries));
    noteFetched(session, id, entries);
    const reached = entries.at(-1)?.seq ?? from.cursor;
    return {
      conversation: id,
      status: reached >= from.lastSeq ? "ended" : "truncated",
      head: from.lastSeq,
      first_seq: from.right.firstSeq,
      last_seq: from.lastSeq,
    };
  }
}

/**
 * A client sees nothing of a frame before it has come whole, and takes a line for dead that is silent for one and a half heartbeats: a
 * frame must not take longer than that, on a line of 2 kB a second either.
 */
const pieceCharactersMax = 64 * 1024;

/** The first of the entries: as many as have room in a piece, and one at least. */
function pieceOf(entries: readonly EncodedEntry[], countMax: number): readonly EncodedEntry[] {
  let count = 0;
  let characters = 0;
  for (const { json } of entries) {
    characters += json.length;
    if (count === countMax || (count > 0 && characters > pieceCharactersMax)) break;
    count += 1;
  }
  return entries.slice(0, count);
}

export type SyncSession = (
  session: Session,
  have: Readonly<Record<string, number>>,
) => Promise<SyncedConversationStatus[]>;

function isLive(subscription: Subscription): boolean {
  return !subscription.session.closed && subscription.session.subscriptions.includes(subscription);
}

function headOf(conversation: LocalConversation, read: Seq): Seq {
  return conversation.knownHead > read ? conversation.knownHead : read;
}
