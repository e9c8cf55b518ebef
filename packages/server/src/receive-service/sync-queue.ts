import { TidingsError } from "@tidings/protocol";

/** One sync at a time for a session: each may write a whole budget, and they move the same cursors. */
export class SyncQueue {
  #last: Promise<void> | undefined;
  #waiting = 0;

  /** Throws `rate-limited` when too many wait (G8). */
  checkRoom(): void {
    if (this.#waiting >= waitingMax) throw new TidingsError("rate-limited", { retryAfterMs: 1_000 });
  }

  /** Runs a sync after those before it. It must not reject. */
  run(sync: () => Promise<void>): void {
    this.#waiting += 1;
    const done: Promise<void> = (this.#last === undefined ? sync() : this.#last.then(sync)).finally(() => {
      this.#waiting -= 1;
      if (this.#last === done) this.#last = undefined;
    });
    this.#last = done;
  }
}

const waitingMax = 4;
