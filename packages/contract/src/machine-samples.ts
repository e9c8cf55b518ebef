import type { ConnectionDirectory } from "@tidings/core";
import { asMachineId, type MachineId } from "@tidings/protocol";

let machines = 0;

/** A new machine with a lease. */
export async function machine(directory: ConnectionDirectory, leaseMs: number): Promise<MachineId> {
  machines += 1;
  const id = asMachineId(`machine-${String(machines).padStart(5, "0")}`);
  await directory.renew(id, leaseMs);
  return id;
}
