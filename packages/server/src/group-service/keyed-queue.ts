import { TidingsError } from "@tidings/protocol";

/**
 * Runs tasks of one key one after the other, tasks of different keys side by side. So the changes of a group by one machine
 * do not run into each other's condition. Rejects with `conflict` when `waitingMax` tasks wait (G8).
 */
export class KeyedQueue {
  readonly #waitingMax: number;
  /** Key → the end of its queue. */
  readonly #ends = new Map<string, Promise<void>>();
  #waiting = 0;

  constructor(options: { waitingMax: number }) {
    this.#waitingMax = options.waitingMax;
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#waitingMax) throw new TidingsError("conflict", { retryAfterMs: 1_000 });
    const before = this.#ends.get(key);
    const { promise: end, resolve: finish } = Promise.withResolvers<void>();
    this.#ends.set(key, end);
    this.#waiting += 1;
    try {
      await before;
    } finally {
      this.#waiting -= 1;
    }
    try {
      return await task();
    } finally {
      if (this.#ends.get(key) === end) this.#ends.delete(key);
      finish();
    }
  }
}
