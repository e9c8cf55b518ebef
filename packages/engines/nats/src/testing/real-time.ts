import { randomBytes } from "node:crypto";
import type { Clock, Random } from "@tidings/core";

/** The machine's time, for tests in which servers fail in theirs. */
export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
  sleep: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, delayMs);
      signal?.addEventListener("abort", wake);
    }),
};

export const realRandom: Random = {
  fraction: () => Math.random(),
  unguessable: (length) => randomBytes(length).toString("hex").slice(0, length),
};
