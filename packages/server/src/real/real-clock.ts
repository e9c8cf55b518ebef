import type { Clock } from "@tidings/core";

/** The machine's own time. */
export function createRealClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after,
    sleep: (delayMs, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = () => {
          cancel();
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const cancel = after(delayMs, wake);
        signal?.addEventListener("abort", wake);
      }),
  };
}

/** The platform's timers count in 31 bits and fire at once beyond: a longer delay (a token's expiry) goes in stages. */
const stageMsMax = 2 ** 31 - 1;

function after(delayMs: number, action: () => void): () => void {
  if (delayMs <= 0) {
    // A timer's shortest delay is a millisecond; this comes right after the I/O that is due.
    const immediate = setImmediate(action);
    return () => clearImmediate(immediate);
  }
  let timer: NodeJS.Timeout;
  const arm = (remainingMs: number): void => {
    timer =
      remainingMs > stageMsMax
        ? setTimeout(() => arm(remainingMs - stageMsMax), stageMsMax)
        : setTimeout(action, remainingMs);
  };
  arm(delayMs);
  return () => clearTimeout(timer);
}
