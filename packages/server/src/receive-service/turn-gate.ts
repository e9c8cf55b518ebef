import { TidingsError } from "@tidings/protocol";

/**
 * Keeps the order of messages that a session sends ahead (G4): turns are taken 1, 2, 3 …; when one is refused for a while,
 * the later ones, which are on their way already, are refused too until it comes again. A send without a turn passes.
 */
export class TurnGate {
  #next = 1;

  /** Throws `out-of-turn`. A turn that was taken before passes: it is a repetition, which the message id recognises. */
  check(turn: number | undefined): void {
    if (turn === undefined || turn <= this.#next) return;
    throw new TidingsError("out-of-turn", { detail: `Turn ${this.#next} comes first.`, retryAfterMs: 0 });
  }

  taken(turn: number | undefined): void {
    if (turn === this.#next) this.#next = turn + 1;
  }

  refused(turn: number | undefined): void {
    if (turn !== undefined && turn < this.#next) this.#next = turn;
  }
}
