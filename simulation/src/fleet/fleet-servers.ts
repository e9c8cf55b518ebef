import {
  createMemoryDatabases,
  createMemoryLeases,
  createMemoryLinks,
  createMemoryMessageLog,
} from "@tidings/engine-memory";
import type { Clock } from "@tidings/core";
import { EngineServer, type Engines } from "../engines/engine-server.ts";
import { type EngineServers, writesOf } from "../engines/remote-ports.ts";
import { oneReaderFeed } from "../engines/one-reader-feed.ts";
import type { Fault } from "../faults/fault.ts";
import type { Prng } from "../kernel/prng.ts";
import type { Timeline } from "../kernel/timeline.ts";

/** The three servers that a fleet stands on: databases, log, and leases with the Connection DB. */
export function createFleetServers(
  timeline: Timeline,
  options: {
    readonly random: Prng;
    readonly partitions: number;
    readonly fault: Fault | undefined;
    /** Looks at what the store answers, past every fault. */
    readonly observe: (engines: Engines) => Engines;
  },
): EngineServers {
  const { random, partitions, fault, observe } = options;
  const server = (place: keyof typeof writesOf, create: (clock: Clock) => Engines) =>
    new EngineServer(timeline, {
      place,
      random: random.fork(place),
      writes: writesOf[place],
      answeredEarly: fault?.answeredEarly ?? [],
      disk,
      create: (clock) => {
        const engines = create(clock);
        return observe(fault?.engines?.(engines, { place, nowMs: () => clock.monotonicMs() }) ?? engines);
      },
    });
  return {
    store: server("store", () => {
      const { stores, image } = createMemoryDatabases();
      return { ...stores, feed: oneReaderFeed(stores.feed), image };
    }),
    log: server("log", () => ({ log: createMemoryMessageLog({ partitions }) })),
    leases: server("leases", (clock) => ({
      leases: createMemoryLeases(clock),
      connections: createMemoryLinks({ clock }).connections,
    })),
  };
}

/** Of a disk of a data centre that keeps its word. */
const disk = { fsyncMsMin: 0.5, fsyncMsMax: 3 };
