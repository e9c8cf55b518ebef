import type { ConversationId, ConversationState, Notification, Seq } from "@tidings/protocol";
import { decideSkip, gap } from "./ranges.ts";

/**
 * The user's notifications: numbered without a hole, given out once each, in order (G9). A number that comes too early
 * means that earlier ones are missing; then `fetch` is asked for what comes after a number.
 */
export class Notices {
  readonly #fetch: (after: number) => void;
  readonly #emit: (notifications: readonly Notification[]) => void;
  #held: number | undefined;
  /** The greatest number that we know to exist. */
  #newest = 0;
  #fetching = false;

  constructor(
    held: number | undefined,
    outlet: { fetch: (after: number) => void; emit: (notifications: readonly Notification[]) => void },
  ) {
    this.#held = held;
    this.#fetch = outlet.fetch;
    this.#emit = outlet.emit;
  }

  /** The last one given out; undefined before the first welcome where none was given. */
  get held(): number | undefined {
    return this.#held;
  }

  /** `newest`: the number that a welcome names. Whoever said nothing in his hello begins there. */
  handleWelcome(newest: number): void {
    this.#held ??= newest;
    this.#newest = newest;
    this.#fetching = false;
  }

  handleNotify(notifications: readonly Notification[]): void {
    this.#newest = Math.max(this.#newest, notifications.at(-1)?.n ?? 0);
    for (let index = 0; index < notifications.length; ) {
      const end = endOfRun(notifications, index);
      if (!this.#take(notifications.slice(index, end))) break;
      index = end;
    }
    // Missing before one of them, or cut short by a limit of the server: the rest is a page to fetch.
    const held = this.#held ?? 0;
    if (this.#fetching || held >= this.#newest) return;
    this.#fetching = true;
    this.#fetch(held);
  }

  /** The answer to `fetch`: what it does not hold exists no more, so its first number may be any. */
  handleFetched(notifications: readonly Notification[]): void {
    this.#fetching = false;
    const first = notifications[0];
    if (first === undefined) this.#newest = this.#held ?? 0;
    else if (first.n > (this.#held ?? 0)) this.#held = first.n - 1;
    this.handleNotify(notifications);
  }

  /** The next notification or welcome asks again. */
  handleFetchFailed(): void {
    this.#fetching = false;
  }

  /** Takes one run of consecutive numbers; false where something before it is missing. */
  #take(run: readonly Notification[]): boolean {
    const cursor = this.#held ?? 0;
    const skip = decideSkip({ cursor, firstSeq: 1 }, { fromSeq: run[0]?.n ?? 0, count: run.length });
    if (skip === gap) return false;
    if (skip === run.length) return true;
    this.#held = run[run.length - 1]?.n ?? cursor;
    this.#emit(skip === 0 ? run : run.slice(skip));
    return true;
  }
}

function endOfRun(notifications: readonly Notification[], start: number): number {
  let end = start + 1;
  while (end < notifications.length && notifications[end]?.n === (notifications[end - 1]?.n ?? 0) + 1) end += 1;
  return end;
}

/** Read markers that we moved, until a welcome shows that the server has them: a `read` frame is not acknowledged. */
export class ReadMarkers {
  readonly #wanted = new Map<ConversationId, Seq>();

  mark(conversation: ConversationId, seq: Seq): void {
    if (seq > (this.#wanted.get(conversation) ?? 0)) this.#wanted.set(conversation, seq);
  }

  /** The server will not have it. */
  forget(conversation: ConversationId): void {
    this.#wanted.delete(conversation);
  }

  /** Those to send again. What belongs to no conversation of ours is forgotten. */
  handleWelcome(states: readonly ConversationState[]): readonly { conversation: ConversationId; seq: Seq }[] {
    const missing: { conversation: ConversationId; seq: Seq }[] = [];
    for (const { conversation, read_seq: readSeq } of states) {
      const seq = this.#wanted.get(conversation);
      if (seq !== undefined && seq > readSeq) missing.push({ conversation, seq });
    }
    this.#wanted.clear();
    for (const { conversation, seq } of missing) this.#wanted.set(conversation, seq);
    return missing;
  }
}
