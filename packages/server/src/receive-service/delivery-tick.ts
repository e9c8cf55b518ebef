import { type Clock, RecentLoad } from "@tidings/core";
import { asSeq, type Seq } from "@tidings/protocol";
import type { ReceiveTrail } from "../explain/receive-trail.ts";
import { encodeDeliver, encodeFrame } from "./frames.ts";
import type { LocalConversation, Subscription } from "./local-conversation.ts";
import type { Session } from "./session.ts";

/**
 * Coalesced delivery (design, 4.4). New entries mark a conversation; a tick writes what is pending: one contiguous range
 * to a socket and conversation, encoded once for all sockets that need the same range.
 *
 * The tick clocks itself. While messages come one by one, each goes out at once. A tick that found several entries of one
 * conversation was behind: after it took c ms the next one begins 5c ms after it began, and gathers meanwhile, so that a busy machine
 * spends a fifth of its time on writing. From `tickMsMax` on it spends the more: what arrives waits for `tickMsMax` at most, as long as
 * that leaves a third of the time for everything else; then the machine rests half as long as it wrote, `tickMsMax` at most.
 *
 * It waits longer where there is much to deliver, however quick it was: one of eight machines of a large group has an eighth of its sockets
 * to write to, and would write eight times as often; so a delivery would cost the more, the more machines there are.
 */
export class DeliveryTick {
  readonly #clock: Clock;
  readonly #unsentBytesMax: number;
  readonly #trail: ReceiveTrail;
  #dirty: LocalConversation[] = [];
  #scheduled = false;
  #notBeforeMs = 0;
  readonly #load = new RecentLoad(loadLimits);
  /** Entries written to sockets, for the metrics. */
  deliveredEntries = 0;
  /** How often a socket went over its bound. */
  downgrades = 0;

  constructor(options: { clock: Clock; unsentBytesMax: number; trail: ReceiveTrail }) {
    this.#clock = options.clock;
    this.#unsentBytesMax = options.unsentBytesMax;
    this.#trail = options.trail;
  }

  /** The conversation has pending entries, or waiters to wake. */
  mark(conversation: LocalConversation): void {
    if (conversation.dirty) return;
    conversation.dirty = true;
    this.#dirty.push(conversation);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const waitMs = Math.max(0, this.#notBeforeMs - this.#clock.monotonicMs());
    this.#clock.after(waitMs, () => this.#tick());
  }

  #tick(): void {
    const beganMs = this.#clock.monotonicMs();
    const deliveredBefore = this.deliveredEntries;
    this.#scheduled = false;
    const dirty = this.#dirty;
    this.#dirty = [];
    // A session that gets several conversations in one tick gets them in one write to the system.
    const corked: Session[] | undefined = dirty.length > 1 ? [] : undefined;
    let gathered = false;
    for (const conversation of dirty) {
      conversation.dirty = false;
      gathered ||= conversation.pending.length > 1;
      this.writePending(conversation, corked);
    }
    if (corked !== undefined) for (const session of corked) session.uncork();
    const endedMs = this.#clock.monotonicMs();
    const writingMs = endedMs - beganMs;
    this.#load.note(this.deliveredEntries - deliveredBefore, endedMs);
    const restMs = gathered ? Math.max(restFactor * writingMs, this.#load.restMs) : 0;
    const leastRestMs = Math.min(restMs, writingMs / 2, tickMsMax);
    this.#notBeforeMs = Math.max(beganMs + Math.min(tickMsMax, writingMs + restMs), endedMs + leastRestMs);
  }

  /** Writes what is pending of one conversation now. With `corked`, sessions are corked and noted there. */
  writePending(conversation: LocalConversation, corked?: Session[]): void {
    const writtenSeq = conversation.writtenSeq;
    const entries = conversation.takePending();
    for (const waiter of conversation.waiters) waiter.wake();
    if (entries.length === 0 || conversation.subscriptions.length === 0) return;
    const head = conversation.arrivedSeq;
    const frame = encodeDeliver(conversation.id, entries);
    let sockets = 0;
    let withheld = 0;
    for (const subscription of conversation.subscriptions) {
      if (subscription.sentSeq === writtenSeq) {
        if (this.#write(subscription, frame, corked)) {
          subscription.sentSeq = head;
          this.deliveredEntries += entries.length;
          sockets += 1;
        } else {
          withheld += 1;
        }
      } else if (subscription.sentSeq > writtenSeq && subscription.sentSeq < head) {
        // A sync had already brought the session into the middle of the range.
        const rest = entries.slice(subscription.sentSeq - writtenSeq);
        if (this.#write(subscription, encodeDeliver(conversation.id, rest), corked)) {
          subscription.sentSeq = head;
          this.deliveredEntries += rest.length;
          sockets += 1;
        } else {
          withheld += 1;
        }
      }
      // Otherwise it is behind: its sync, its drain or its next heartbeat tells it the head.
    }
    const fromSeq = asSeq(writtenSeq + 1);
    this.#trail.noteWritten({ conversation: conversation.id, fromSeq, toSeq: head, sockets, withheld });
  }

  #write(subscription: Subscription, frame: Buffer, corked: Session[] | undefined): boolean {
    const { session } = subscription;
    if (this.withholds(session)) return false;
    if (corked !== undefined && session.cork()) corked.push(session);
    session.write(frame);
    return true;
  }

  /** Is the session's socket over its bound? Then it gets nothing that can wait until it has drained (G8). */
  withholds(session: Session): boolean {
    if (session.backlogged) return true;
    if (!session.isOver(this.#unsentBytesMax)) return false;
    session.backlogged = true;
    this.downgrades += 1;
    return true;
  }

  /** The session's socket has drained: from now on it gets entries again, and now the heads of what it missed. */
  drained(session: Session): void {
    if (!session.backlogged) return;
    session.backlogged = false;
    const heads: Record<string, Seq> = {};
    let behind = false;
    for (const { conversation, sentSeq } of session.subscriptions) {
      if (sentSeq >= conversation.arrivedSeq) continue;
      heads[conversation.id] = conversation.arrivedSeq;
      behind = true;
    }
    if (behind) session.write(encodeFrame({ type: "heads", heads }));
  }
}

/** From the begin of one tick to that of the next. What people notice of a delay begins above this. */
const tickMsMax = 50;
const restFactor = 4;
/** Entries × sockets in a tenth of a second: from where writing each entry for itself costs little to where it would fill a processor. */
const loadLimits = { quiet: 2_000, busy: 10_000, restMsMax: tickMsMax };
