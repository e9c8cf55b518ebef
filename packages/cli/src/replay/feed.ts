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
}): Promise<void> {
  const { messages, inFlightMax, speed, signal } = options;
  const startedAt = performance.now();
  const inFlight = new Set<Promise<void>>();
  for (const message of messages) {
    if (speed !== undefined) await sleepUntil(startedAt + (message.dueMinutes * 60_000) / speed, signal);
    await options.before(message);
    while (inFlight.size >= inFlightMax) await Promise.race(inFlight);
    signal.throwIfAborted();
    const sending = options.send(message).finally(() => inFlight.delete(sending));
    inFlight.add(sending);
  }
  await Promise.all(inFlight);
}

async function sleepUntil(atMs: number, signal: AbortSignal): Promise<void> {
  const waitMs = atMs - performance.now();
  if (waitMs > 0) await sleep(waitMs, undefined, { signal });
}
