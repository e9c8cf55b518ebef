import type { Clock, FleetEngines, Stores } from "@tidings/core";
import { createMemoryLeases } from "./memory-leases.ts";
import { createMemoryMessageLog } from "./memory-message-log.ts";
import { createMemoryDatabases } from "./memory-stores.ts";

/** What a fleet shares, in one process: for tests. The simulator takes the parts, each for a server of its own. */
export function createMemoryFleet(options: { clock: Pick<Clock, "monotonicMs">; partitions?: number }): {
  readonly stores: Stores;
  readonly fleet: FleetEngines;
} {
  const { stores, image } = createMemoryDatabases();
  const { clock, ...logOptions } = options;
  return { stores, fleet: { log: createMemoryMessageLog(logOptions), image, leases: createMemoryLeases(clock) } };
}
