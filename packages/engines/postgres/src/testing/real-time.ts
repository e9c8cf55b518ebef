import type { Clock } from "@tidings/core";

/** The machine's own time, for tests in which a server keeps it too. */
export function createRealTime(): Clock {
  const after = (delayMs: number, action: () => void): (() => void) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  };
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after,
    sleep: (delayMs, signal) =>
      new Promise((resolve) => {
        after(delayMs, resolve);
        signal?.addEventListener("abort", () => resolve());
      }),
  };
}
