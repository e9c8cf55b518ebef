import type { ClientClock } from "../types.ts";

/** The real time, of Node and of browsers alike. */
export const systemClock: ClientClock = {
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};
