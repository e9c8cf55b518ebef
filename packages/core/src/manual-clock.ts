import type { Clock } from "./ports/clock.ts";

/** A clock whose time stands still until somebody moves it. */
export interface ManualClock extends Clock {
  /**
   * Moves both times forward by `ms`, firing in order of their times the timers that come due, also those that
   * are set on the way. Whatever promises a timer settles has run as far as it can before the next timer fires, and
   * before this resolves; work that waits for other threads or for I/O has not.
   */
  advance(ms: number): Promise<void>;
  /** Moves the wall time only, also back, as an operator or a time server does. */
  jumpWall(ms: number): void;
  /** How many timers are set. */
  readonly timersPending: number;
}

export function createManualClock(options: { startMs?: number } = {}): ManualClock {
  let elapsedMs = 0;
  let wallStartMs = options.startMs ?? 1_700_000_000_000;
  let timers: Timer[] = [];

  const after = (delayMs: number, action: () => void) => {
    const timer: Timer = { dueMs: elapsedMs + Math.max(0, delayMs), action };
    // Behind those of the same time, so that equal times fire in the order in which they were set.
    const index = timers.findLastIndex((other) => other.dueMs <= timer.dueMs) + 1;
    timers.splice(index, 0, timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  };

  return {
    nowMs: () => wallStartMs + elapsedMs,
    monotonicMs: () => elapsedMs,
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
    async advance(ms) {
      const untilMs = elapsedMs + ms;
      await settle();
      for (;;) {
        const next = timers[0];
        if (next === undefined || next.dueMs > untilMs) break;
        timers = timers.slice(1);
        elapsedMs = Math.max(elapsedMs, next.dueMs);
        next.action();
        await settle();
      }
      elapsedMs = Math.max(elapsedMs, untilMs);
    },
    jumpWall: (ms) => {
      wallStartMs += ms;
    },
    get timersPending() {
      return timers.length;
    },
  };
}

type Timer = { readonly dueMs: number; readonly action: () => void };

/** Lets every promise that can settle without I/O do so: a turn of the event loop begins only after all of them. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
