import { TidingsError } from "@tidings/protocol";

/**
 * Keeps the order of messages that a session sends ahead (G4): turns are taken 1, 2, 3 …; when one is refused for a while,
 * the later ones, which are on their way already, are refused too until it comes again. A send without a turn passes.
 */
export class TurnGate {
  /** The highest turn that was taken. */
  #newest = 0;
  /** Turns that were taken, and refused for a while after that. No more than were under way when the first of them was. */
  #refused: Set<number> | undefined;

  /** Throws `out-of-turn`. A turn that was taken before passes: it is a repetition, which the message id recognises. */
  check(turn: number | undefined): void {
    const next = this.#next;
    if (turn === undefined || turn <= next) return;
    throw new TidingsError("out-of-turn", { detail: `Turn ${next} comes first.`, retryAfterMs: 0 });
  }

  /** Its message is under way, or settled: refused for good. */
  taken(turn: number | undefined): void {
    if (turn === undefined || turn !== this.#next) return;
    this.#refused?.delete(turn);
    this.#newest = Math.max(this.#newest, turn);
  }

  /** A turn that was taken has to come again. Later ones that were settled meanwhile stay so. */
  refused(turn: number | undefined): void {
    if (turn === undefined || turn > this.#newest) return;
    this.#refused ??= new Set();
    this.#refused.add(turn);
  }

  get #next(): number {
    const refused = this.#refused;
    return refused === undefined || refused.size === 0 ? this.#newest + 1 : Math.min(...refused);
  }
}
