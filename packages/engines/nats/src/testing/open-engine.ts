import { type Clock, createManualClock } from "@tidings/core";
import { openNatsEngine, type NatsEngine, type NatsEngineOptions } from "../nats-engine.ts";
import { realClock, realRandom } from "./real-time.ts";

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

type Options = Pick<NatsEngineOptions, "servers"> & Partial<NatsEngineOptions>;

/** An engine in real time, small enough for a test's server. */
export const openRealEngine = (options: Options): Promise<NatsEngine> => openOver(realClock, options);

/**
 * An engine whose leases end when the test says so. Waiting for servers takes real time, also until they are asked again: a cluster that
 * chooses a leader just now would be waited for for ever.
 */
export async function openTimedEngine(options: Options) {
  const clock = createManualClock({ startMs: Date.now() });
  return { clock, engine: await openOver({ ...clock, sleep: realClock.sleep }, options) };
}

const openOver = (clock: Clock, options: Options): Promise<NatsEngine> =>
  openNatsEngine({
    name: "tidings",
    partitions: 2,
    replicas: 1,
    logStreams: 2,
    retention: { bytesMax: 256 * 1024 * 1024 },
    random: realRandom,
    log: silent,
    ...options,
    clock,
  });
