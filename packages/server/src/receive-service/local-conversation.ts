import { asSeq, type ConversationId, type Seq } from "@tidings/protocol";
import type { EncodedEntry } from "@tidings/core";
import { ArrivalTail } from "./arrival-tail.ts";
import type { Session } from "./session.ts";
import type { Waiter } from "./waiter.ts";

/**
 * A conversation that sessions of this machine follow: what is known of its head, the entries that the next tick writes,
 * and who gets them.
 */
export class LocalConversation {
  readonly id: ConversationId;
  /** The last entry that arrived here, by delivery or from the store. */
  arrivedSeq: Seq;
  /** What came behind this one went through `take`; what came before may have been jumped over. */
  seenFromSeq: Seq;
  /** When it arrived: heartbeats name the conversations that moved. */
  movedAtMs = Number.NEGATIVE_INFINITY;
  /** Entries that no tick has written yet: dense, and the last one is `arrivedSeq`. */
  pending: EncodedEntry[] = [];
  /** The highest head that anybody named; beyond `arrivedSeq` while a repair is under way. */
  knownHead: Seq;
  repairing = false;
  /** Waits for the next tick. */
  dirty = false;
  readonly subscriptions: Subscription[] = [];
  /** Long polls that wait for this conversation. */
  readonly waiters = new Set<Waiter>();
  #tail: ArrivalTail | undefined;

  constructor(id: ConversationId, head: Seq) {
    this.id = id;
    this.arrivedSeq = head;
    this.seenFromSeq = head;
    this.knownHead = head;
  }

  /** Goes on behind entries that nobody looked at here. */
  jumpTo(head: Seq): void {
    this.arrivedSeq = head;
    this.seenFromSeq = head;
    this.#tail?.jumpTo(head);
  }

  /** From now on, what arrives is at hand for syncs, until each who asked for it has released it, once. */
  holdTail(): { readonly tail: ArrivalTail; release(): void } {
    const tail = this.#tail ?? new ArrivalTail(this.arrivedSeq);
    this.#tail = tail;
    tail.holders += 1;
    const release = (): void => {
      tail.holders -= 1;
      if (tail.holders === 0 && this.#tail === tail) this.#tail = undefined;
    };
    return { tail, release };
  }

  get idle(): boolean {
    return this.subscriptions.length === 0 && this.waiters.size === 0;
  }

  /**
   * Takes a range. Answers `taken` if it brought something new, `known` if not, `gap` if entries between what arrived
   * and the range are missing here: nothing is taken then, the caller reads them from the store.
   */
  take(entries: readonly EncodedEntry[]): "taken" | "known" | "gap" {
    const first = entries[0];
    const last = entries.at(-1);
    if (first === undefined || last === undefined || last.seq <= this.arrivedSeq) return "known";
    if (last.seq > this.knownHead) this.knownHead = last.seq;
    if (first.seq > this.arrivedSeq + 1) return "gap";
    const skip = this.arrivedSeq + 1 - first.seq;
    for (let index = skip; index < entries.length; index++) {
      const entry = entries[index] as EncodedEntry;
      this.pending.push(entry);
      this.#tail?.add(entry);
    }
    this.arrivedSeq = last.seq;
    return "taken";
  }

  /** The entries for the tick to write, which are then no longer pending. */
  takePending(): EncodedEntry[] {
    const entries = this.pending;
    this.pending = [];
    return entries;
  }

  /** The seq before the first pending entry: a session that was written up to it takes the whole range. */
  get writtenSeq(): Seq {
    return asSeq(this.arrivedSeq - this.pending.length);
  }

  add(subscription: Subscription): void {
    subscription.index = this.subscriptions.length;
    this.subscriptions.push(subscription);
  }

  remove(subscription: Subscription): void {
    const last = this.subscriptions.pop();
    if (last === undefined || last === subscription) return;
    this.subscriptions[subscription.index] = last;
    last.index = subscription.index;
  }
}

/** One session follows one conversation. */
export type Subscription = {
  readonly session: Session;
  readonly conversation: LocalConversation;
  /** The last entry that was written to the session's socket. */
  sentSeq: Seq;
  /** What is behind it was written by us; what is up to it was there when the session began or synced last. */
  beganSeq: Seq;
  /** Did the client say that it holds what is up to `beganSeq`? Otherwise it did not ask for it. */
  said: boolean;
  /** Where the subscription stands in the conversation's list. */
  index: number;
};
