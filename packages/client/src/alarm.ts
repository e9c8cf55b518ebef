import type { ClientClock } from "./types.ts";

/** One timer that is set again and again. */
export class Alarm {
  readonly #clock: ClientClock;
  readonly #action: () => void;
  #cancel: (() => void) | undefined;

  constructor(clock: ClientClock, action: () => void) {
    this.#clock = clock;
    this.#action = action;
  }

  /** A new time replaces the last; undefined stops it. */
  set(afterMs: number | undefined): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (afterMs === undefined) return;
    this.#cancel = this.#clock.after(afterMs, () => {
      this.#cancel = undefined;
      this.#action();
    });
  }
}
