import { setTimeout as sleep } from "node:timers/promises";
import type { PlannedMessage } from "./plan.ts";

/**
 * Hands out the messages in their order, as fast as they are settled: at most `inFlightMax` at a time wait for their acknowledgement, so
 * that the latencies measured are the server's and not those of a queue in front of it. With `speed`, none before its time.
 */
export async function feedMessages(options: {
  messages: readonly PlannedMessage[];
  inFlightMax: number;
  /** How many times faster than the original; absent: as fast as it goes. */
  speed?: number | undefined;
  /** Awaited before each message. */
  before: (message: PlannedMessage) => Promise<void>;
  /** Resolves when the message is settled; a rejection ends the feed. */
  send: (message: PlannedMessage) => Promise<void>;
  signal: AbortSignal;
  /** The real one unless told. */
  clock?: FeedClock;
}): Promise<void> {
  const { messages, inFlightMax, speed, signal, clock = realClock } = options;
  const startedAtMs = clock.nowMs();
  const inFlight = new Set<Promise<void>>();
  for (const message of messages) {
    if (speed !== undefined) {
      const waitMs = startedAtMs + (message.dueMinutes * 60_000) / speed - clock.nowMs();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
    }
    await options.before(message);
    while (inFlight.size >= inFlightMax) await Promise.race(inFlight);
    signal.throwIfAborted();
    const sending = options.send(message).finally(() => inFlight.delete(sending));
    inFlight.add(sending);
  }
  await Promise.all(inFlight);
}

export type FeedClock = {
  /** Milliseconds from an arbitrary start. */
  nowMs(): number;
  /** Rejects when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
};

const realClock: FeedClock = {
  nowMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};
