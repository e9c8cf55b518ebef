import {
  type AckFrame,
  type ErrorFrame,
  errorCatalogue,
  type MessageId,
  type SendFrame,
  TidingsError,
} from "@tidings/protocol";
import { OutboxFullError } from "./errors.ts";

/** A message until it is settled: acknowledged, or refused for good. */
export type Outgoing = {
  readonly frame: SendFrame;
  readonly settle: (outcome: AckFrame | TidingsError) => void;
};

export type Refused = { readonly message_id: MessageId; readonly error: TidingsError };

export type OutboxOptions = {
  /** Sends in flight. */
  readonly windowMax: number;
  readonly messagesMax: number;
  /** Number the sends of each session, so that a refused one is not overtaken. Needed where `windowMax` is above 1. */
  readonly turns: boolean;
};

/** The first wait after a refusal without a time of its own; doubles, with full jitter, up to the second. */
export const refusalMsBase = 250;
export const refusalMsMax = 10_000;

/**
 * Messages on their way, in the order of the calls (G4). It does no I/O and knows no clock: `next` gives what may be
 * sent now, the answers come in by `handleAck` and `handleRefusal`.
 *
 * A session starts with turn 1 at the oldest message that is not settled. After a refusal that is retryable nothing is
 * sent until every send in flight is answered (the later ones come back as `out-of-turn`) and the time is over; then they
 * go again, in order, with the turns that they had. The window falls to one and grows again with each acknowledgement, so
 * that a sender at its rate limit does not have most of a full window refused each time.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #items: Item[] = [];
  /** Before it all are settled. */
  #first = 0;
  /** From it on nothing was sent in this session, or, after a refusal, in this round. */
  #next = 0;
  #unsettled = 0;
  #inFlight = 0;
  #session = false;
  #nextTurn = 1;
  #window: number;
  #held: { untilMs: number; refusals: number } | undefined;
  #refusals = 0;
  #confused = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#window = options.windowMax;
  }

  /** Messages that are not settled. */
  get size(): number {
    return this.#unsettled;
  }

  /** When the oldest send in flight was sent; undefined where none is. */
  get oldestSentMs(): number | undefined {
    if (this.#inFlight === 0) return undefined;
    for (let index = this.#first; index < this.#next; index += 1) {
      const item = this.#items[index];
      if (item?.status === "in-flight") return item.sentMs;
    }
    return undefined;
  }

  /** Throws OutboxFullError. */
  add(outgoing: Outgoing): void {
    if (this.#unsettled >= this.#options.messagesMax) throw new OutboxFullError(this.#options.messagesMax);
    this.#items.push({ outgoing, status: "queued", turn: 0, sentMs: 0, outOfTurn: false });
    this.#unsettled += 1;
  }

  beginSession(): void {
    this.endSession();
    this.#session = true;
  }

  /** What was in flight goes again in the next session, under the same message_id. */
  endSession(): void {
    this.#session = false;
    this.#nextTurn = 1;
    this.#next = this.#first;
    this.#inFlight = 0;
    this.#window = this.#options.windowMax;
    this.#held = undefined;
    this.#refusals = 0;
    this.#confused = false;
    for (let index = this.#first; index < this.#items.length; index += 1) {
      const item = this.#items[index];
      if (item === undefined || (item.status === "queued" && item.turn === 0)) break;
      if (item.status !== "settled") item.status = "queued";
      item.turn = 0;
      item.outOfTurn = false;
    }
  }

  /** The next frame to send now; undefined where the window is full, nothing waits, or a refusal holds it back. */
  next(nowMs: number): SendFrame | undefined {
    if (!this.#session || this.#confused || (this.#held !== undefined && !this.#release(nowMs))) return undefined;
    while (this.#items[this.#next]?.status === "settled") this.#next += 1;
    const item = this.#items[this.#next];
    if (item === undefined || this.#inFlight >= this.#window) return undefined;
    this.#next += 1;
    this.#inFlight += 1;
    item.status = "in-flight";
    item.sentMs = nowMs;
    item.outOfTurn = false;
    if (!this.#options.turns) return item.outgoing.frame;
    if (item.turn === 0) {
      item.turn = this.#nextTurn;
      this.#nextTurn += 1;
    }
    return { ...item.outgoing.frame, turn: item.turn };
  }

  /** How long `next` has nothing because of a refusal; undefined where time alone changes nothing. */
  heldForMs(nowMs: number): number | undefined {
    if (this.#held === undefined || this.#inFlight > 0 || this.#confused) return undefined;
    return Math.max(0, this.#held.untilMs - nowMs);
  }

  /** The server refuses turns though none of ours is missing: only a new session gets us going again. */
  get confused(): boolean {
    return this.#confused;
  }

  handleAck(ack: AckFrame): void {
    const item = this.#find(ack);
    if (item === undefined) return;
    this.#refusals = 0;
    if (this.#held === undefined) this.#window = Math.min(this.#options.windowMax, this.#window + 1);
    this.#settle(item, ack);
  }

  /** Answers what was refused for good. `fraction`: 0 ≤ x < 1, for the jitter of a wait. */
  handleRefusal(frame: ErrorFrame, { nowMs, fraction }: { nowMs: number; fraction: number }): Refused | undefined {
    const item = this.#find(frame);
    if (item === undefined) return undefined;
    if (!frame.retryable) {
      const error = errorOf(frame);
      this.#settle(item, error);
      return { message_id: item.outgoing.frame.message_id, error };
    }
    this.#inFlight -= 1;
    item.status = "queued";
    item.outOfTurn = frame.code === "out-of-turn";
    this.#window = 1;
    this.#held ??= { untilMs: nowMs, refusals: this.#refusals };
    if (item.outOfTurn) return undefined;
    const backoffMs = fraction * Math.min(refusalMsMax, refusalMsBase * 2 ** this.#held.refusals);
    this.#held.untilMs = Math.max(this.#held.untilMs, nowMs + (frame.retry_after_ms ?? backoffMs));
    this.#refusals = this.#held.refusals + 1;
    return undefined;
  }

  /** Settles everything with the error; nothing can be sent any more. */
  rejectAll(error: TidingsError): void {
    this.endSession();
    const items = this.#items;
    this.#items = [];
    this.#first = 0;
    this.#next = 0;
    this.#unsettled = 0;
    for (const item of items) if (item.status !== "settled") item.outgoing.settle(error);
  }

  #release(nowMs: number): boolean {
    if (this.#held === undefined) return true;
    if (this.#inFlight > 0 || nowMs < this.#held.untilMs) return false;
    this.#held = undefined;
    this.#next = this.#first;
    // The oldest is the one whose turn it is. Was it out of turn all the same, then the server counts otherwise than we do.
    this.#confused = this.#items[this.#first]?.outOfTurn === true;
    return !this.#confused;
  }

  /** At most the window has to be looked through. Turns tell apart what has one message_id in two conversations. */
  #find(answer: { turn?: number; message_id?: string }): Item | undefined {
    for (let index = this.#first; index < this.#next; index += 1) {
      const item = this.#items[index];
      if (item?.status !== "in-flight") continue;
      if (answer.turn === undefined || item.turn === 0) {
        if (answer.message_id === item.outgoing.frame.message_id) return item;
      } else if (answer.turn === item.turn) return item;
    }
    return undefined;
  }

  #settle(item: Item, outcome: AckFrame | TidingsError): void {
    item.status = "settled";
    this.#inFlight -= 1;
    this.#unsettled -= 1;
    while (this.#items[this.#first]?.status === "settled") this.#first += 1;
    if (this.#next < this.#first) this.#next = this.#first;
    this.#compact();
    item.outgoing.settle(outcome);
  }

  /** Drops what is settled when that is most of the array, so that each message is moved a bounded number of times. */
  #compact(): void {
    if (this.#first < compactAt || this.#first * 2 < this.#items.length) return;
    this.#items.splice(0, this.#first);
    this.#next -= this.#first;
    this.#first = 0;
  }
}

const compactAt = 64;

type Item = {
  readonly outgoing: Outgoing;
  status: "queued" | "in-flight" | "settled";
  /** 0: none in this session yet. */
  turn: number;
  sentMs: number;
  outOfTurn: boolean;
};

/** The error of a frame as the catalogue's; a code that is newer than this client stands for what it says of itself. */
export function errorOf(frame: Pick<ErrorFrame, "code" | "detail" | "retryable" | "retry_after_ms">): TidingsError {
  const code = Object.hasOwn(errorCatalogue, frame.code)
    ? frame.code
    : frame.retryable
      ? "unavailable"
      : "invalid-request";
  return new TidingsError(
    code,
    frame.retry_after_ms === undefined
      ? { detail: frame.detail }
      : { detail: frame.detail, retryAfterMs: frame.retry_after_ms },
  );
}
