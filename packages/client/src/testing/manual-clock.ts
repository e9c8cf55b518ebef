import type { ClientClock } from "../types.ts";

/** A clock that moves only when told, and fires what comes due on the way. */
export class ManualClock implements ClientClock {
  #nowMs = 0;
  #timers: { readonly dueMs: number; readonly action: () => void }[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), action };
    const index = this.#timers.findLastIndex((other) => other.dueMs <= timer.dueMs) + 1;
    this.#timers.splice(index, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get timersPending(): number {
    return this.#timers.length;
  }

  /** In how many milliseconds the next timer comes due; undefined where none is set. */
  get nextMs(): number | undefined {
    const first = this.#timers[0];
    return first === undefined ? undefined : first.dueMs - this.#nowMs;
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let timer = this.#timers[0]; timer !== undefined && timer.dueMs <= untilMs; timer = this.#timers[0]) {
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.action();
    }
    this.#nowMs = untilMs;
  }
}
