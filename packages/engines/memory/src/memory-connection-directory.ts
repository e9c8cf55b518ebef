import type { CancelTimer, Clock, ConnectionDirectory, ConnectionEvent } from "@tidings/core";
import type { MachineId, UserId } from "@tidings/protocol";
import { MemoryBroadcast } from "./memory-broadcast.ts";

/** After its lease ran out a machine's rows are kept so long, for the case that it was only slow and renews. */
const expiredMachineKeptMs = 10 * 60 * 1000;

export function createMemoryConnectionDirectory(clock: Clock): ConnectionDirectory {
  const machines = new Map<MachineId, Machine>();
  const machinesByUser = new Map<UserId, readonly MachineId[]>();
  const broadcast = new MemoryBroadcast<ConnectionEvent>();
  let cancelCheck: CancelTimer | undefined;

  const forget = (id: MachineId): void => {
    const machine = machines.get(id);
    if (machine === undefined) return;
    for (const user of machine.users) forgetRow(user, id);
    machines.delete(id);
    if (machine.isThere) broadcast.tell({ event: "gone", machine: id });
  };
  /** Notices that the machine's lease ran out. Who watches is told now; `machinesOf` looks at the clock itself. */
  const noticeEnd = (id: MachineId, machine: Machine): void => {
    if (!machine.isThere || clock.monotonicMs() < machine.leaseEndMs) return;
    machine.isThere = false;
    broadcast.tell({ event: "gone", machine: id });
  };
  /** Leases end without anybody's calling, so while somebody watches a timer waits for the first end. */
  const watchLeases = (): void => {
    cancelCheck?.();
    cancelCheck = undefined;
    if (broadcast.listeners === 0) return;
    let endMs = Infinity;
    for (const [id, machine] of machines) {
      noticeEnd(id, machine);
      if (machine.isThere) endMs = Math.min(endMs, machine.leaseEndMs);
    }
    if (endMs === Infinity) return;
    cancelCheck = clock.after(Math.max(1, Math.ceil(endMs - clock.monotonicMs())), watchLeases);
  };
  const rowsOf = (id: MachineId, { users }: Machine): readonly ConnectionEvent[] =>
    [...users].map((user) => ({ event: "added", user, machine: id }));
  const allRows = (): readonly ConnectionEvent[] => {
    watchLeases();
    return [...machines].flatMap(([id, machine]) => (machine.isThere ? rowsOf(id, machine) : []));
  };
  const forgetRow = (user: UserId, machine: MachineId): void => {
    const others = (machinesByUser.get(user) ?? []).filter((one) => one !== machine);
    if (others.length === 0) machinesByUser.delete(user);
    else machinesByUser.set(user, others);
  };
  const known = (id: MachineId): Machine => {
    // One that was never there counts as ended just now: its rows may be here before its first lease, and are kept for it.
    const leaseEndMs = clock.monotonicMs();
    const machine = machines.get(id) ?? { leaseEndMs, isThere: false, users: new Set(), alone: [id] };
    machines.set(id, machine);
    return machine;
  };

  return {
    async renew(id, leaseMs) {
      const nowMs = clock.monotonicMs();
      const machine = known(id);
      noticeEnd(id, machine);
      machine.leaseEndMs = nowMs + leaseMs;
      if (!machine.isThere) {
        machine.isThere = true;
        for (const row of rowsOf(id, machine)) broadcast.tell(row);
        if (cancelCheck === undefined) watchLeases();
      }
      for (const [other, { leaseEndMs }] of machines) {
        if (leaseEndMs + expiredMachineKeptMs < nowMs) forget(other);
      }
    },
    retire: async (id) => forget(id),
    async add(user, id) {
      const machine = known(id);
      noticeEnd(id, machine);
      if (machine.isThere && !machine.users.has(user)) broadcast.tell({ event: "added", user, machine: id });
      machine.users.add(user);
      const rows = machinesByUser.get(user);
      if (rows === undefined) machinesByUser.set(user, machine.alone);
      else if (!rows.includes(id)) machinesByUser.set(user, [...rows, id]);
    },
    async remove(user, id) {
      const machine = machines.get(id);
      if (machine?.users.delete(user) !== true) return;
      forgetRow(user, id);
      noticeEnd(id, machine);
      if (machine.isThere) broadcast.tell({ event: "removed", user, machine: id });
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
    async *watch(signal) {
      try {
        yield* broadcast.listen(allRows, signal);
      } finally {
        if (broadcast.listeners === 0) watchLeases();
      }
    },
  };
}

type Machine = {
  leaseEndMs: number;
  /** Its rows count, as far as was noticed: what those who watch believe. */
  isThere: boolean;
  readonly users: Set<UserId>;
  /** The rows of a user who is here only: one list for all of them. */
  readonly alone: readonly MachineId[];
};
