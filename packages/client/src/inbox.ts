import {
  type ConversationId,
  type ConversationState,
  type EndedFrame,
  type HeadsFrame,
  type HintFrame,
  type JoinedFrame,
  type Seq,
  type SyncedFrame,
  asSeq,
  limits,
} from "@tidings/protocol";
import { beginning, type Held, heldFrom, laterUnknown, reasonOf, type Unknown } from "./held.ts";
import { decideSkip, denseCount, gap } from "./ranges.ts";
import type { LinkDeliver } from "./transport.ts";
import type { AnomalyKind, ClientEvent } from "./types.ts";

export type Have = Record<ConversationId, Seq>;

export type InboxOptions = {
  readonly have: Readonly<Record<ConversationId, number>>;
  readonly unknown: Unknown;
};

/** What the inbox wants done. `emit` may call back into the client; the rest may not. */
export interface InboxOutlet {
  emit(event: ClientEvent): void;
  sync(request: number, have: Have): void;
  /** Calls `handleDue` after the time; a new time replaces the last, undefined stops it. */
  wake(afterMs: number | undefined): void;
  nowMs(): number;
}

export const inboxLimits = {
  /** The first wait when a sync brought nothing of a conversation that has more; doubles up to the second. */
  stalledMsBase: 100,
  stalledMsMax: 5_000,
  /** How long the entries of a conversation just joined, or left, may take to be pushed before we ask for them. */
  pushGraceMs: 1_000,
} as const;

/**
 * What we hold of every conversation, and what we lack. It does no I/O: frames come in, events and syncs go out.
 * Ranges are taken by `decideSkip`; whatever is known to exist and is not held is *lacking* and is asked for, in one
 * sync at a time, until nothing is (G5, G6).
 */
export class Inbox {
  readonly #outlet: InboxOutlet;
  readonly #unknown: Unknown;
  readonly #all = new Map<ConversationId, Held>();
  readonly #lacking = new Set<Held>();
  #welcomed = false;
  #welcomedMs = 0;
  /** `off`: no session. `resuming`: until the sync that hello began is closed. */
  #session: "off" | "resuming" | "on" = "off";
  #lastRequest = 0;
  #underWay: { request: number; asked: Held[]; sinceMs: number } | undefined;
  #refresh = false;
  #announced = false;

  constructor(options: InboxOptions, outlet: InboxOutlet) {
    this.#outlet = outlet;
    this.#unknown = options.unknown;
    for (const [id, cursor] of Object.entries(options.have)) {
      const conversation = id as ConversationId;
      this.#all.set(conversation, heldFrom(conversation, cursor));
    }
  }

  /** Was there ever a welcome? */
  get welcomed(): boolean {
    return this.#welcomed;
  }

  /** Until the sync that hello began is closed. */
  get resuming(): boolean {
    return this.#session === "resuming";
  }

  /** Since when an answer to a sync is owed; undefined where none is under way. */
  get askedSinceMs(): number | undefined {
    return this.resuming ? this.#welcomedMs : this.#underWay?.sinceMs;
  }

  cursors(): Have {
    const cursors: Have = {};
    for (const held of this.#all.values()) cursors[held.conversation] = asSeq(held.cursor);
    return cursors;
  }

  /** What to say in a hello or a poll: all but the conversations that we are no longer in. */
  name(): Have {
    const have: Have = {};
    let count = 0;
    for (const held of this.#all.values()) {
      const named = held.phase !== "ended" && count < limits.conversationsPerUserMax;
      held.named = named ? held.cursor : undefined;
      held.askedAt = held.cursor;
      if (!named) continue;
      have[held.conversation] = asSeq(held.cursor);
      count += 1;
    }
    return have;
  }

  endSession(): void {
    this.#session = "off";
    this.#underWay = undefined;
    this.#refresh = false;
    this.#outlet.wake(undefined);
  }

  handleWelcome(conversations: readonly ConversationState[]): void {
    const moved = this.#session !== "off";
    this.endSession();
    this.#session = "resuming";
    this.#announced = false;
    for (const held of this.#all.values()) {
      // Whoever is not listed below has ended meanwhile, perhaps not where we were told; the sync that follows says where.
      if (held.phase !== "ended") {
        held.phase = "unconfirmed";
        held.lastSeq = undefined;
        held.reason = undefined;
      }
      held.truncated = false;
      held.notBeforeMs = 0;
      held.movedAt = moved ? held.cursor : 0;
    }
    const first = !this.#welcomed;
    this.#welcomed = true;
    this.#welcomedMs = this.#outlet.nowMs();
    for (const state of conversations) this.#enter(state, first ? this.#unknown : laterUnknown(this.#unknown));
  }

  handleJoined({ state }: JoinedFrame): void {
    const held = this.#enter(state, laterUnknown(this.#unknown));
    this.#outlet.emit({ type: "joined", state });
    // The server pushes from joined_seq on: no need to ask for that, unless it does not come.
    const isPushed = Math.max(held.cursor, held.firstSeq - 1) + 1 >= state.joined_seq;
    if (this.#lacking.has(held) && isPushed) held.notBeforeMs = this.#outlet.nowMs() + inboxLimits.pushGraceMs;
    this.#plan();
  }

  handleDeliver({ conversation, from_seq: fromSeq, entries, readable }: Omit<LinkDeliver, "type">): void {
    const held = this.#all.get(conversation);
    if (held === undefined) {
      this.#anomaly("unknown-conversation", conversation, `entries from ${fromSeq} on, but it was never announced`);
      return;
    }
    if (readable !== undefined) {
      held.firstSeq = readable.first_seq;
      if (readable.last_seq === undefined) this.#stay(held);
    }
    const promised = fromSeq + entries.length - 1;
    let count = denseCount(fromSeq, entries);
    if (count < entries.length) {
      const found = entries[count]?.seq;
      this.#anomaly("hole", conversation, `seq ${found} where ${fromSeq + count} belongs, in a range from ${fromSeq}`);
    }
    if (held.lastSeq !== undefined && promised > held.lastSeq) {
      this.#anomaly("after-end", conversation, `entries to ${promised}, but we may read only to ${held.lastSeq}`);
      count = Math.min(count, held.lastSeq - fromSeq + 1);
    }
    if (promised > held.head) held.head = promised;
    const skip = decideSkip({ cursor: held.cursor, firstSeq: held.firstSeq }, { fromSeq, count: Math.max(0, count) });
    if (skip !== gap && skip < count && held.phase !== "ended") {
      held.cursor = fromSeq + count - 1;
      held.lastEntry = entries[count - 1];
      const taken = skip === 0 && count === entries.length ? entries : entries.slice(skip, count);
      this.#outlet.emit({ type: "entries", conversation, from_seq: asSeq(fromSeq + skip), entries: taken });
    }
    // The usual case needs no planning: nothing was lacking, and nothing is.
    if (this.#lacking.size === 0 && held.cursor === held.head && held.phase === "active") return;
    this.#review(held);
    this.#plan();
  }

  /** Closes the sync that hello began, or one of ours. */
  handleSynced(frame: SyncedFrame): void {
    const asked = this.#closeSync(frame.request);
    if (asked === undefined) return;
    for (const item of frame.conversations) {
      const held = this.#all.get(item.conversation);
      if (held === undefined || item.status === "new") continue;
      held.firstSeq = item.first_seq;
      if (item.head > held.head) held.head = item.head;
      held.truncated = item.status === "truncated";
      held.answered = true;
      if (item.status === "ended" || item.last_seq !== undefined) this.#leave(held, item.last_seq ?? item.head);
      else this.#stay(held);
      this.#review(held);
    }
    const progress = asked.some((held) => held.cursor !== held.askedAt);
    for (const held of asked) this.#judge(held, progress);
    for (const held of asked) held.answered = false;
    this.#plan();
  }

  /** A sync was refused for a while: `request` as in the frame. */
  handleSyncRefused(request: number, retryAfterMs: number | undefined): void {
    if (this.#underWay?.request !== request) return;
    const { asked } = this.#underWay;
    this.#underWay = undefined;
    for (const held of asked) this.#postpone(held, this.#outlet.nowMs(), retryAfterMs);
    this.#plan();
  }

  handleHeads({ heads }: HeadsFrame): void {
    for (const id in heads) {
      const held = this.#all.get(id as ConversationId);
      const head = heads[id];
      if (held === undefined || head === undefined || head <= held.head) continue;
      held.head = head;
      this.#review(held);
    }
    this.#plan();
  }

  handleHint({ conversation, head, poll_after_ms: pollAfterMs }: HintFrame): void {
    const held = this.#all.get(conversation);
    if (held === undefined || head <= held.cursor) return;
    held.head = Math.max(held.head, head);
    held.notBeforeMs = this.#outlet.nowMs() + pollAfterMs;
    this.#review(held);
    this.#plan();
  }

  handleEnded({ conversation, last_seq: lastSeq, reason }: EndedFrame): void {
    const held = this.#all.get(conversation);
    if (held === undefined || held.phase === "ended") return;
    this.#leave(held, lastSeq, reason);
    held.notBeforeMs = this.#outlet.nowMs() + inboxLimits.pushGraceMs;
    this.#review(held);
    this.#plan();
  }

  /** Asks for what is newer in every conversation; `complete` follows. */
  refresh(): void {
    if (this.#session === "off") return;
    this.#refresh = true;
    this.#announced = false;
    this.#plan();
  }

  handleDue(): void {
    this.#plan();
  }

  /** We are in this conversation: begins it, or goes on with what is held of it. */
  #enter(state: ConversationState, unknown: Unknown): Held {
    const { conversation, head, first_seq: firstSeq } = state;
    let held = this.#all.get(conversation);
    if (held === undefined) {
      held = heldFrom(conversation, beginning(state, unknown));
      this.#all.set(conversation, held);
    } else if (held.named !== undefined && head < held.named) {
      this.#anomaly("head-went-back", conversation, `its head is ${head}, but we hold ${held.named}`);
    }
    held.phase = "active";
    held.firstSeq = firstSeq;
    held.lastSeq = undefined;
    held.reason = undefined;
    if (head > held.head) held.head = head;
    this.#review(held);
    return held;
  }

  /** The server answers as to a member. An end that we knew of was followed by another join. */
  #stay(held: Held): void {
    if (held.phase === "ended") return;
    held.phase = "active";
    held.lastSeq = undefined;
    held.reason = undefined;
  }

  #leave(held: Held, lastSeq: number, reason?: EndedFrame["reason"]): void {
    if (held.phase === "ended") return;
    // After a move the new link may tell of an end that the old one has already led us past.
    if (held.cursor > lastSeq && held.movedAt <= lastSeq) {
      this.#anomaly("after-end", held.conversation, `we hold ${held.cursor}, but may read only to ${lastSeq}`);
    }
    held.phase = "ending";
    held.lastSeq = lastSeq;
    held.reason = reason ?? held.reason;
  }

  /** After any change: does it lack something? Has it come to its end? */
  #review(held: Held): void {
    const reached = Math.max(held.cursor, held.firstSeq - 1);
    const lacks =
      (held.phase === "active" && (held.truncated || reached < held.head)) ||
      (held.phase === "ending" && reached < (held.lastSeq ?? 0));
    if (lacks) {
      this.#lacking.add(held);
      this.#announced = false;
      return;
    }
    this.#lacking.delete(held);
    held.stalls = 0;
    held.notBeforeMs = 0;
    if (held.phase === "ending") this.#finish(held, held.lastSeq ?? held.cursor);
  }

  #finish(held: Held, lastSeq: number): void {
    held.phase = "ended";
    held.lastSeq = lastSeq;
    this.#lacking.delete(held);
    const { conversation } = held;
    const reason = held.reason ?? reasonOf(held.lastEntry);
    const ended = { type: "ended", conversation, last_seq: asSeq(lastSeq) } as const;
    this.#outlet.emit(reason === undefined ? ended : { ...ended, reason });
  }

  /** Ends the sync that an answer belongs to; gives the conversations that it asked for, undefined for a stray answer. */
  #closeSync(request: number | undefined): readonly Held[] | undefined {
    if (request === undefined) {
      // A poll that nobody asked for: it tells, but whoever is absent from it merely has no news.
      if (this.#session === "on") return [];
      if (this.#session === "off") return undefined;
      this.#session = "on";
      return [...this.#all.values()].filter((held) => held.named !== undefined && held.phase !== "ended");
    }
    if (this.#underWay?.request !== request) return undefined;
    const { asked } = this.#underWay;
    this.#underWay = undefined;
    return asked;
  }

  /** After an answer: a conversation that the server does not know for us has ended; one that stands still has to wait. */
  #judge(held: Held, progress: boolean): void {
    if (!held.answered) {
      held.truncated = false;
      if (held.phase === "unconfirmed" || held.phase === "ending") this.#finish(held, held.cursor);
      else this.#review(held);
    }
    if (!this.#lacking.has(held)) return;
    // A conversation that did not fit in while others were served is asked for again at once.
    const waits = held.cursor === held.askedAt && !(held.truncated && progress);
    if (waits) this.#postpone(held, this.#outlet.nowMs(), undefined);
    else held.stalls = 0;
  }

  #postpone(held: Held, nowMs: number, afterMs: number | undefined): void {
    const { stalledMsBase, stalledMsMax } = inboxLimits;
    held.notBeforeMs = nowMs + (afterMs ?? Math.min(stalledMsMax, stalledMsBase * 2 ** held.stalls));
    held.stalls += 1;
  }

  /** Asks for what is lacking, now or when its time has come; or says that nothing is. */
  #plan(): void {
    if (this.#session !== "on" || this.#underWay !== undefined) return;
    if (this.#lacking.size === 0 && !this.#refresh) {
      if (this.#announced) return;
      this.#announced = true;
      this.#outlet.wake(undefined);
      this.#outlet.emit({ type: "complete" });
      return;
    }
    const nowMs = this.#outlet.nowMs();
    const { asked, earliestMs } = this.#choose(nowMs);
    if (asked.length === 0 && !this.#refresh) {
      this.#outlet.wake(earliestMs - nowMs);
      return;
    }
    this.#refresh = false;
    const have: Have = {};
    for (const held of asked) {
      held.askedAt = held.cursor;
      have[held.conversation] = asSeq(held.cursor);
    }
    this.#lastRequest += 1;
    this.#underWay = { request: this.#lastRequest, asked, sinceMs: nowMs };
    this.#outlet.sync(this.#lastRequest, have);
  }

  #choose(nowMs: number): { asked: Held[]; earliestMs: number } {
    const asked: Held[] = [];
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const held of this.#refresh ? this.#all.values() : this.#lacking) {
      if (held.phase === "ended" || asked.length === limits.conversationsPerUserMax) continue;
      if (this.#refresh || held.notBeforeMs <= nowMs) asked.push(held);
      else earliestMs = Math.min(earliestMs, held.notBeforeMs);
    }
    return { asked, earliestMs };
  }

  #anomaly(kind: AnomalyKind, conversation: ConversationId, detail: string): void {
    this.#outlet.emit({ type: "anomaly", kind, conversation, detail });
  }
}
