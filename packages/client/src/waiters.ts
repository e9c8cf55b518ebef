/** Those who wait for one thing to happen. */
export class Waiters {
  readonly #waiting = new Set<{ resolve: () => void; reject: (error: unknown) => void }>();

  /** Rejects at once with `failure` where it is given, or with the reason of the signal when that aborts. */
  wait(failure: Error | undefined, signal?: AbortSignal): Promise<void> {
    if (failure !== undefined) return Promise.reject(failure);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      this.#waiting.add(waiter);
      signal?.addEventListener(
        "abort",
        () => {
          if (this.#waiting.delete(waiter)) reject(signal.reason);
        },
        { once: true },
      );
    });
  }

  resolve(): void {
    for (const { resolve } of this.#take()) resolve();
  }

  reject(error: unknown): void {
    for (const { reject } of this.#take()) reject(error);
  }

  #take() {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }
}
