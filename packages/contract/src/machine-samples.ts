import type { ConnectionDirectory } from "@tidings/core";
import { asMachineId, type MachineId } from "@tidings/protocol";

let machines = 0;

export const freshMachine = (): MachineId => {
  machines += 1;
  return asMachineId(`machine-${String(machines).padStart(5, "0")}`);
};

/** A new machine with a lease. */
export async function machine(directory: ConnectionDirectory, leaseMs: number): Promise<MachineId> {
  const id = freshMachine();
  await directory.renew(id, leaseMs);
  return id;
}
