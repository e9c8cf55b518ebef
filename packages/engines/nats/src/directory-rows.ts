import type { Clock, ConnectionEvent } from "@tidings/core";
import type { MachineId, UserId } from "@tidings/protocol";

export type DirectoryRowsOptions = {
  readonly clock: Clock;
  /** From when on silence counts, in monotonic time: nothing was silent before this process listened. */
  silentFromMs(): number;
  /** A lease that seems to have ended while nothing is heard may have been renewed. */
  isFollowing(): boolean;
  tell(event: ConnectionEvent): void;
};

export type Machine = {
  /** The last write of its record. 0: none is known. */
  sequence: number;
  /** Undefined while it has no lease: before its first one, and after it retired. */
  lease: { readonly leaseMs: number; readonly sinceMs: number } | undefined;
  /** Since when it has none. */
  withoutSinceMs: number;
  /** Rows that were written before are void: it retired then. */
  voidBefore: number;
  /** Its rows count, as far as was noticed: what those who watch believe. */
  isThere: boolean;
  readonly rows: Map<UserId, number>;
};

/** The rows of the Connection DB as this process has heard of them, and which of them count. */
export class DirectoryRows {
  readonly #options: DirectoryRowsOptions;
  readonly #machines = new Map<MachineId, Machine>();
  readonly #machinesByUser = new Map<UserId, Set<MachineId>>();

  constructor(options: DirectoryRowsOptions) {
    this.#options = options;
  }

  get machines(): ReadonlyMap<MachineId, Machine> {
    return this.#machines;
  }

  renewed(id: MachineId, write: { sequence: number; leaseMs: number; voidBefore: number }): void {
    const machine = this.#known(id);
    machine.sequence = write.sequence;
    this.#voidRows(id, machine, write.voidBefore);
    machine.lease = { leaseMs: write.leaseMs, sinceMs: this.#options.clock.monotonicMs() };
    if (machine.isThere) return;
    machine.isThere = true;
    for (const user of machine.rows.keys()) this.#options.tell({ event: "added", user, machine: id });
  }

  retired(id: MachineId, sequence: number): void {
    const machine = this.#known(id);
    machine.sequence = sequence;
    machine.lease = undefined;
    machine.withoutSinceMs = this.#options.clock.monotonicMs();
    if (machine.isThere) {
      machine.isThere = false;
      this.#options.tell({ event: "gone", machine: id });
    }
    this.#voidRows(id, machine, sequence);
  }

  added(user: UserId, id: MachineId, sequence: number): void {
    const machine = this.#known(id);
    if (sequence < machine.voidBefore) return;
    if (machine.isThere && !machine.rows.has(user)) this.#options.tell({ event: "added", user, machine: id });
    machine.rows.set(user, sequence);
    const others = this.#machinesByUser.get(user);
    if (others === undefined) this.#machinesByUser.set(user, new Set([id]));
    else others.add(id);
  }

  removed(user: UserId, id: MachineId): void {
    const machine = this.#machines.get(id);
    if (machine?.rows.delete(user) !== true) return;
    this.#forgetRow(user, id);
    if (machine.isThere) this.#options.tell({ event: "removed", user, machine: id });
  }

  forget(id: MachineId): void {
    const machine = this.#machines.get(id);
    if (machine === undefined) return;
    this.retired(id, machine.sequence);
    for (const user of machine.rows.keys()) this.#forgetRow(user, id);
    this.#machines.delete(id);
  }

  counts({ lease }: Machine): boolean {
    return lease !== undefined && this.#options.clock.monotonicMs() < this.endMsOf(lease);
  }

  endMsOf({ leaseMs, sinceMs }: NonNullable<Machine["lease"]>): number {
    return leaseMs + Math.max(sinceMs, this.#options.silentFromMs());
  }

  machinesOf(users: readonly UserId[]): ReadonlySet<MachineId> {
    const counting = new Set([...this.#machines].flatMap(([id, machine]) => (this.counts(machine) ? [id] : [])));
    const found = new Set<MachineId>();
    for (const user of users) {
      // With every machine found there is nothing more to find, however many users a group has.
      if (found.size === counting.size) break;
      for (const id of this.#machinesByUser.get(user) ?? []) if (counting.has(id)) found.add(id);
    }
    return found;
  }

  all(): readonly ConnectionEvent[] {
    return [...this.#machines].flatMap(([id, { isThere, rows }]) =>
      isThere ? [...rows.keys()].map((user): ConnectionEvent => ({ event: "added", user, machine: id })) : [],
    );
  }

  /** Tells of machines whose leases ended; answers with the time until the next end. */
  noticeEnds(): number {
    let nextMs = Infinity;
    const nowMs = this.#options.clock.monotonicMs();
    for (const [id, machine] of this.#machines) {
      if (!machine.isThere || machine.lease === undefined) continue;
      const endMs = this.endMsOf(machine.lease);
      if (nowMs < endMs) nextMs = Math.min(nextMs, endMs - nowMs);
      else if (this.#options.isFollowing()) {
        machine.isThere = false;
        this.#options.tell({ event: "gone", machine: id });
      }
    }
    return nextMs;
  }

  #known(id: MachineId): Machine {
    let machine = this.#machines.get(id);
    if (machine === undefined) {
      const withoutSinceMs = this.#options.clock.monotonicMs();
      machine = { sequence: 0, lease: undefined, withoutSinceMs, voidBefore: 0, isThere: false, rows: new Map() };
      this.#machines.set(id, machine);
    }
    return machine;
  }

  #voidRows(id: MachineId, machine: Machine, voidBefore: number): void {
    if (voidBefore <= machine.voidBefore) return;
    machine.voidBefore = voidBefore;
    for (const [user, sequence] of [...machine.rows]) if (sequence < voidBefore) this.removed(user, id);
  }

  #forgetRow(user: UserId, id: MachineId): void {
    const others = this.#machinesByUser.get(user);
    others?.delete(id);
    if (others?.size === 0) this.#machinesByUser.delete(user);
  }
}
