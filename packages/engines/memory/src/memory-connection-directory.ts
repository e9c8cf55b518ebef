import type { Clock, ConnectionDirectory } from "@tidings/core";
import type { MachineId, UserId } from "@tidings/protocol";

/** After its lease ran out a machine's rows are kept so long, for the case that it was only slow and renews. */
const expiredMachineKeptMs = 10 * 60 * 1000;

export function createMemoryConnectionDirectory(clock: Clock): ConnectionDirectory {
  const machines = new Map<MachineId, Machine>();
  const machinesByUser = new Map<UserId, readonly MachineId[]>();

  const forget = (id: MachineId): void => {
    for (const user of machines.get(id)?.users ?? []) forgetRow(user, id);
    machines.delete(id);
  };
  const forgetRow = (user: UserId, machine: MachineId): void => {
    const others = (machinesByUser.get(user) ?? []).filter((one) => one !== machine);
    if (others.length === 0) machinesByUser.delete(user);
    else machinesByUser.set(user, others);
  };
  const known = (id: MachineId): Machine => {
    const machine = machines.get(id) ?? { leaseEndMs: -Infinity, users: new Set(), alone: [id] };
    machines.set(id, machine);
    return machine;
  };

  return {
    async renew(id, leaseMs) {
      const nowMs = clock.monotonicMs();
      known(id).leaseEndMs = nowMs + leaseMs;
      for (const [other, { leaseEndMs }] of machines) {
        if (leaseEndMs + expiredMachineKeptMs < nowMs) forget(other);
      }
    },
    retire: async (id) => forget(id),
    async add(user, id) {
      const machine = known(id);
      machine.users.add(user);
      const rows = machinesByUser.get(user);
      if (rows === undefined) machinesByUser.set(user, machine.alone);
      else if (!rows.includes(id)) machinesByUser.set(user, [...rows, id]);
    },
    async remove(user, id) {
      machines.get(id)?.users.delete(user);
      forgetRow(user, id);
    },
    async machinesOf(users) {
      const found = new Set<MachineId>();
      const nowMs = clock.monotonicMs();
      for (const user of users) {
        // With every machine found there is nothing more to find, however many users a group has.
        if (found.size === machines.size) break;
        for (const id of machinesByUser.get(user) ?? []) {
          if (nowMs < (machines.get(id)?.leaseEndMs ?? -Infinity)) found.add(id);
        }
      }
      return found;
    },
  };
}

type Machine = {
  leaseEndMs: number;
  readonly users: Set<UserId>;
  /** The rows of a user who is here only: one list for all of them. */
  readonly alone: readonly MachineId[];
};
