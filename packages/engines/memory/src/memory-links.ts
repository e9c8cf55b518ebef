import type { Clock, Links } from "@tidings/core";
import { createMemoryConnectionDirectory } from "./memory-connection-directory.ts";
import { createMemoryDeliveryQueue } from "./memory-delivery-queue.ts";
import { createMemoryMachineLink } from "./memory-machine-link.ts";

/** The ways between services that share one process: what the embedded server uses, and tests. */
export function createMemoryLinks({ clock, deliveriesMax }: { clock: Clock; deliveriesMax?: number }): Links {
  return {
    deliveries: createMemoryDeliveryQueue(deliveriesMax === undefined ? {} : { deliveriesMax }),
    machines: createMemoryMachineLink(),
    connections: createMemoryConnectionDirectory(clock),
  };
}
