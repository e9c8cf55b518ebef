import { setTimeout as sleep } from "node:timers/promises";
import type { Crowd } from "./crowd.ts";

/** One round of fan-out over one crowd. */
export type FanOutRound = {
  readonly deliveries: number;
  readonly deliveriesPerSecond: number;
  /** Processor time of the server for each message at each client. */
  readonly cpuMicrosecondsPerDelivery: number;
};

/** One message at a time: the next is sent when every client has the one before. */
export function runQuiet(crowd: Crowd, messages: number): Promise<FanOutRound> {
  return measure(crowd, async () => {
    for (let sent = 0; sent < messages; sent += 1) {
      const goal = crowd.arrivals.count + crowd.size;
      crowd.send();
      await crowd.arrivals.reach(goal);
    }
  });
}

/**
 * As fast as it goes for a time: `window` messages are always on their way, which is to say, sent and not yet (on
 * average) at the clients. A window that closes on arrival is the one that peers without acknowledgements have, too.
 */
export function runBusy(crowd: Crowd, options: { durationMs: number; window: number }): Promise<FanOutRound> {
  return measure(crowd, async () => {
    const first = crowd.arrivals.count;
    const endMs = performance.now() + options.durationMs;
    let sent = 0;
    const fill = (): void => {
      if (performance.now() >= endMs) return;
      const room = options.window + Math.floor((crowd.arrivals.count - first) / crowd.size) - sent;
      for (let index = 0; index < room; index += 1) crowd.send();
      sent += Math.max(0, room);
    };
    crowd.arrivals.listen(fill);
    try {
      fill();
      await sleep(options.durationMs);
      await crowd.arrivals.reach(first + sent * crowd.size);
    } finally {
      crowd.arrivals.listen(undefined);
    }
  });
}

/** The same number of messages each second, in time with the clock, whenever they arrive: so that two crowds carry the same load. */
export function runPaced(crowd: Crowd, options: { durationMs: number; perSecond: number }): Promise<FanOutRound> {
  return measure(crowd, async () => {
    const total = Math.floor((options.durationMs / 1_000) * options.perSecond);
    const goal = crowd.arrivals.count + total * crowd.size;
    const beganMs = performance.now();
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, Math.ceil(((performance.now() - beganMs) / 1_000) * options.perSecond));
      for (; sent < due; sent += 1) crowd.send();
      await sleep(pacedMs);
    }
    await crowd.arrivals.reach(goal);
  });
}

const pacedMs = 5;
/** After the last arrival a server may still have work from the round, which belongs to it. */
const aftermathMs = 150;

async function measure(crowd: Crowd, round: () => Promise<void>): Promise<FanOutRound> {
  const cpuBefore = crowd.server.cpuMicroseconds();
  const arrivedBefore = crowd.arrivals.count;
  const startMs = performance.now();
  await round();
  const elapsedMs = performance.now() - startMs;
  await sleep(aftermathMs);
  const deliveries = crowd.arrivals.count - arrivedBefore;
  return {
    deliveries,
    deliveriesPerSecond: (deliveries * 1_000) / elapsedMs,
    cpuMicrosecondsPerDelivery: (crowd.server.cpuMicroseconds() - cpuBefore) / deliveries,
  };
}
