/** Counts what arrives at all sessions together, and wakes whoever waits for it. */
export class Arrivals {
  #count = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #wake: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #failure: Error | undefined;
  #listener: (() => void) | undefined;

  get count(): number {
    return this.#count;
  }

  add(arrived: number): void {
    this.#count += arrived;
    this.#listener?.();
    if (this.#count >= this.#wanted) this.#wake?.();
  }

  /** Something went wrong with a session: whoever waits, now or later, is rejected. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#fail?.(error);
  }

  /** Resolves when `count` have arrived in all. Rejects after `timeoutMs`. One waits at a time. */
  async reach(count: number, timeoutMs = 60_000): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#count >= count) return;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wanted = count;
        this.#wake = resolve;
        this.#fail = reject;
        timer = setTimeout(
          () => reject(new Error(`Only ${this.#count} of ${count} arrived in ${timeoutMs} ms.`)),
          timeoutMs,
        );
      });
    } finally {
      clearTimeout(timer);
      this.#wanted = Number.POSITIVE_INFINITY;
      this.#wake = undefined;
      this.#fail = undefined;
    }
  }

  /** Calls `listener` at each arrival, until it is called with undefined. */
  listen(listener: (() => void) | undefined): void {
    this.#listener = listener;
  }
}
