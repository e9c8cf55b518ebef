import { setTimeout as sleep } from "node:timers/promises";
import { errorCatalogue, TidingsError } from "@tidings/protocol";

/**
 * Tries until it works, the failure is final, or the time is over; then rejects with the last failure. Only for what may be repeated.
 * Waits as long as the server asks, or a random time that grows with each attempt.
 */
export async function retryFor<T>(options: {
  timeMs: number;
  attempt: () => Promise<T>;
  signal?: AbortSignal | undefined;
}): Promise<T> {
  const deadline = performance.now() + options.timeMs;
  for (let tries = 1; ; tries++) {
    try {
      return await options.attempt();
    } catch (error) {
      const waitMs = retryDelayMs(error, tries);
      if (waitMs === undefined || performance.now() + waitMs > deadline) throw error;
      await sleep(waitMs, undefined, { signal: options.signal });
    }
  }
}

const waitMsMax = 2_000;

/** How long to wait before the next attempt; undefined where none can help. */
export function retryDelayMs(error: unknown, tries: number, random: () => number = Math.random): number | undefined {
  if (!(error instanceof TidingsError) || !errorCatalogue[error.code].retryable) return undefined;
  if (error.retryAfterMs !== undefined) return error.retryAfterMs;
  return random() * Math.min(waitMsMax, 100 * 2 ** tries);
}

/** Runs a task for each item, at most `width` at a time; rejects with the first failure and begins nothing more then. */
export async function forEachBounded<T>(
  items: readonly T[],
  width: number,
  task: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const iterator = items.entries();
  let failed = false;
  const worker = async () => {
    for (const [index, item] of iterator) {
      if (failed) return;
      try {
        await task(item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}
