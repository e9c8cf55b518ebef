import {
  asConversationId,
  asSeq,
  directUsers,
  limits,
  type ConversationId,
  type EndedFrame,
  type MemberLeftEntry,
  type MemberRemovedEntry,
  type Seq,
  type UserId,
} from "@tidings/protocol";
import { type Delivery, type EncodedEntry, invariant, type MachineMessage } from "@tidings/core";
import type { ArrivalWay, ReceiveTrail } from "../explain/receive-trail.ts";
import type { Access, AccessService, Base } from "../services.ts";
import type { Bringing } from "./bringing.ts";
import type { DeliveryTick } from "./delivery-tick.ts";
import { encodeFrame } from "./frames.ts";
import type { LocalConversation } from "./local-conversation.ts";
import type { UserNews } from "./user-news.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";

/**
 * What workers send to this machine. A range is taken if it follows what arrived before; if not, what is missing is read
 * from the Messaging DB first (design, 4.6), so every socket is written in order and without a hole.
 */
export function createArrival(
  base: Base,
  parts: {
    access: AccessService;
    cache: UserSocketCache;
    tick: DeliveryTick;
    bringing: Bringing;
    news: UserNews;
    trail: ReceiveTrail;
    /** Asks for a look at the head of a conversation, a moment later. */
    checkSoon: (conversation: ConversationId) => void;
  },
) {
  const { stores, clock, log } = base;
  const { access, cache, tick, bringing, news, trail, checkSoon } = parts;
  let repairs = 0;

  function handle(message: MachineMessage): void {
    switch (message.tell) {
      case "delivery":
        deliver(message.delivery, message.recipients);
        return;
      case "notifications":
      case "marked":
        news.tell(message);
        return;
      case "token-revoked":
        for (const session of cache.user(message.user)?.sessions ?? []) {
          if (session.caller.token === message.token) session.end("token-revoked");
        }
        return;
      case "heads":
        for (const [id, head] of Object.entries(message.heads)) noteToldHead(asConversationId(id), head);
        return;
      case "access-changed":
        for (const user of message.users) bringing.forget(user, message.conversation);
    }
  }

  function deliver(delivery: Delivery, recipients: readonly UserId[]): void {
    const conversation = cache.conversations.get(delivery.conversation);
    if (conversation !== undefined) take(conversation, delivery.entries, "pushed");
    const mayBring =
      delivery.conversation.startsWith("d_") || delivery.entries.some(({ kind }) => kind === "member-joined");
    if (mayBring) for (const user of recipients) bringing.bring(user, delivery.conversation);
  }

  /** The range goes to the next tick; where an entry ends somebody's membership, it goes out up to there at once (G7). */
  function take(conversation: LocalConversation, entries: readonly EncodedEntry[], way: ArrivalWay): void {
    const last = entries.at(-1);
    if (conversation.repairing || last === undefined) {
      if (last !== undefined && last.seq > conversation.knownHead) conversation.knownHead = last.seq;
      return;
    }
    let begin = 0;
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index] as EncodedEntry;
      if (entry.kind !== "member-left" && entry.kind !== "member-removed") continue;
      if (entry.seq <= conversation.arrivedSeq) continue;
      if (!takePiece(conversation, entries.slice(begin, index + 1), way)) return;
      tick.writePending(conversation);
      cutOff(conversation, entry);
      begin = index + 1;
    }
    takePiece(conversation, begin === 0 ? entries : entries.slice(begin), way);
  }

  function takePiece(conversation: LocalConversation, entries: readonly EncodedEntry[], way: ArrivalWay): boolean {
    const fromSeq = asSeq(conversation.arrivedSeq + 1);
    const result = conversation.take(entries);
    if (result === "taken") {
      trail.noteArrived({ conversation: conversation.id, fromSeq, toSeq: conversation.arrivedSeq, way });
      conversation.movedAtMs = clock.monotonicMs();
      tick.mark(conversation);
    }
    if (result === "gap") repair(conversation);
    return result !== "gap";
  }

  function cutOff(conversation: LocalConversation, encoded: EncodedEntry): void {
    const entry = JSON.parse(encoded.json) as MemberLeftEntry | MemberRemovedEntry;
    const reason = entry.kind === "member-left" ? "left" : entry.banned ? "banned" : "removed";
    endFor(entry.user, { conversation, lastSeq: entry.seq, reason });
  }

  function endFor(
    user: UserId,
    ending: { conversation: LocalConversation; lastSeq: Seq; reason: EndedFrame["reason"] },
  ): void {
    const { conversation, lastSeq, reason } = ending;
    // Who reads what the user may read just now reads it again: elsewhere it may have been read before this.
    access.noteEnding(user);
    const frame = encodeFrame({ type: "ended", conversation: conversation.id, last_seq: lastSeq, reason });
    const local = cache.user(user);
    for (const session of local?.sessions ?? []) {
      const subscription = session.subscription(conversation.id);
      if (subscription === undefined) continue;
      session.write(frame);
      cache.unsubscribe(subscription);
    }
    for (const waiter of local?.waiters ?? []) waiter.wake();
  }

  /** Reads what this machine lacks of a conversation, up to the highest head that it knows. */
  function repair(conversation: LocalConversation): void {
    if (conversation.repairing) return;
    conversation.repairing = true;
    repairs += 1;
    repairNow(conversation)
      .catch((error: unknown) => {
        // The heads are checked again on the slow clock, which tries again.
        log.warn({ err: error, conversation: conversation.id }, "Missing entries could not be read.");
      })
      .finally(() => {
        conversation.repairing = false;
      });
  }

  async function repairNow(conversation: LocalConversation): Promise<void> {
    while (conversation.arrivedSeq < conversation.knownHead && !conversation.idle) {
      if (conversation.knownHead - conversation.arrivedSeq > repairEntriesMax) {
        await skip(conversation);
        continue;
      }
      const entries = await stores.messages.entries({
        conversation: conversation.id,
        fromSeq: asSeq(conversation.arrivedSeq + 1),
        toSeq: conversation.knownHead,
        charactersMax: repairCharactersMax,
      });
      if (entries.length === 0) return;
      // Going on with a store that leaves something out would ask it the same for ever.
      invariant(entries[0]?.seq === conversation.arrivedSeq + 1, "The Messaging DB answers from the seq asked for.");
      conversation.repairing = false;
      take(conversation, entries, "read");
      conversation.repairing = true;
    }
  }

  /**
   * Too much to push: the sessions are told the head, and sync at their own pace. Memberships that ended among the entries that
   * nobody looks at here are found in the Group DB (G7).
   */
  async function skip(conversation: LocalConversation): Promise<void> {
    const head = conversation.knownHead;
    const former = new Map<UserId, Access | undefined>();
    const asked = new Set<UserId>();
    // Again for those who came while it was being read.
    for (let users = followers(conversation); users.length > 0; ) {
      for (const user of users) asked.add(user);
      for (const [user, right] of await access.formerMembers(conversation.id, users)) former.set(user, right);
      users = followers(conversation).filter((user) => !asked.has(user));
    }
    tick.writePending(conversation);
    const fromSeq = asSeq(conversation.arrivedSeq + 1);
    trail.noteArrived({ conversation: conversation.id, fromSeq, toSeq: head, way: "skipped" });
    conversation.jumpTo(head);
    conversation.movedAtMs = clock.monotonicMs();
    for (const [user, right] of former) {
      if (right?.lastSeq === undefined || right.membership.state === "active") continue;
      endFor(user, { conversation, lastSeq: right.lastSeq, reason: right.membership.state });
    }
    const heads = { [conversation.id]: head };
    const frame = encodeFrame({ type: "heads", heads });
    for (const { session } of conversation.subscriptions) if (!tick.withholds(session)) session.write(frame);
    for (const waiter of conversation.waiters) waiter.wake();
  }

  function followers(conversation: LocalConversation): UserId[] {
    return [...new Set(conversation.subscriptions.map(({ session }) => session.caller.user.user_id))];
  }

  /**
   * Compares this machine's conversations with the Messaging DB (design, 4.6), when they are at rest: of one that moves the database has
   * more than arrived here, because it is on its way, and what is missing shows itself with what comes next.
   */
  async function checkHeads(ids: readonly ConversationId[]): Promise<void> {
    const movedMs = clock.monotonicMs() - settledMs;
    const settled: ConversationId[] = [];
    for (const id of ids) {
      const conversation = cache.conversations.get(id);
      if (conversation === undefined) continue;
      if (conversation.movedAtMs > movedMs) checkSoon(id);
      else settled.push(id);
    }
    if (settled.length === 0) return;
    const heads = await stores.messages.heads(settled);
    for (const [id, { head }] of heads) noteHead(id, head);
  }

  /** A head that somebody tells: the delivery that made a direct conversation may have been lost, and its id names its users. */
  function noteToldHead(id: ConversationId, head: Seq): void {
    for (const user of directUsers(id) ?? []) bringing.bring(user, id);
    noteHead(id, head);
  }

  function noteHead(id: ConversationId, head: Seq): void {
    const conversation = cache.conversations.get(id);
    if (conversation === undefined || head <= conversation.arrivedSeq) return;
    if (head > conversation.knownHead) conversation.knownHead = head;
    repair(conversation);
  }

  return {
    handle,
    checkHeads,
    /** How often something was missing here that had to be read. */
    get repairs() {
      return repairs;
    },
  };
}

/** More than one sync answers with: beyond it, pulling is fairer than pushing. */
const repairEntriesMax = limits.syncEntriesMax;
const repairCharactersMax = 256 * 1024;
/** What a worker stored is here long before. */
const settledMs = 1_000;
