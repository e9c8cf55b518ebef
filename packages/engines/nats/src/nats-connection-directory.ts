import { StorageType } from "@nats-io/jetstream";
import type { CancelTimer, ConnectionDirectory } from "@tidings/core";
import { asMachineId, asUserId, type MachineId, type UserId } from "@tidings/protocol";
import { openBucket } from "./bucket.ts";
import { BucketMirror } from "./bucket-mirror.ts";
import { ConnectionListeners } from "./connection-listeners.ts";
import { DirectoryRows } from "./directory-rows.ts";
import { DirectorySweep } from "./directory-sweep.ts";
import { decodeKey, encodeKey } from "./keys.ts";
import { directoryBytesMax, writesAtOnce } from "./limits.ts";
import type { Nats } from "./nats.ts";

/** Everybody who asks writes this key, and waits until his mirror has that write: then it has everything before it, too. */
const fenceKey = "fence";
const machineKey = (machine: MachineId): string => `m.${encodeKey(machine)}`;
const rowKey = (user: UserId, machine: MachineId): string => `r.${encodeKey(machine)}.${encodeKey(user)}`;

/**
 * The Connection DB in a key-value bucket: a key for each machine (`m.…`, its lease) and for each row (`r.…`), of which every process
 * has a mirror. A lease ends where a machine's key was not written for its time, by the clock of who observes it. The mark of
 * a machine that retired makes all its rows void that were written before it.
 *
 * The servers keep the bucket in memory: when all of them were started again it is empty. So a machine's process keeps the rows that
 * it added, and renewing puts what is missing.
 */
export async function openNatsConnectionDirectory(
  nats: Nats,
  { replicas }: { readonly replicas: number },
): Promise<{ readonly connections: ConnectionDirectory; stop(): Promise<void> }> {
  const { clock } = nats;
  const bucket = await openBucket(nats, {
    bucket: `${nats.name}-connections`,
    storage: StorageType.Memory,
    replicas,
    bytesMax: directoryBytesMax,
  });
  const listeners = new ConnectionListeners();
  let cancelCheck: CancelTimer | undefined;
  const rows = new DirectoryRows({
    clock,
    silentFromMs: () => mirror.caughtUpMs,
    isFollowing: () => mirror.isFollowing,
    tell: (event) => listeners.tell(event),
  });
  /** Leases end without anybody's calling, so while somebody watches a timer waits for the first end. */
  const watchLeases = (): void => {
    cancelCheck?.();
    cancelCheck = undefined;
    if (listeners.count === 0) return;
    const nextMs = rows.noticeEnds();
    if (nextMs !== Infinity) cancelCheck = clock.after(Math.max(1, Math.ceil(nextMs)), watchLeases);
  };
  const mirror = new BucketMirror({
    nats,
    bucket,
    apply: (key, sequence, payload) => {
      const [kind, machineToken = "", userToken = ""] = key.split(".");
      const machine = asMachineId(decodeKey(machineToken));
      const user = asUserId(decodeKey(userToken));
      if (kind === "m") applyMachine(rows, { machine, sequence, payload });
      else if (kind === "r" && payload.length > 0) rows.added(user, machine, sequence);
      else if (kind === "r") rows.removed(user, machine);
      if (kind === "m" && cancelCheck === undefined) watchLeases();
    },
    retain(keys, sequence) {
      for (const [id, machine] of [...rows.machines]) {
        for (const [user, written] of [...machine.rows]) {
          if (written <= sequence && !keys.has(rowKey(user, id))) rows.removed(user, id);
        }
        if (machine.sequence <= sequence && machine.rows.size === 0 && !keys.has(machineKey(id))) rows.forget(id);
      }
    },
    caughtUp: watchLeases,
  });
  const sweep = new DirectorySweep({ nats, bucket, rows, machineKey, isFollowing: () => mirror.isFollowing });
  /** The rows that this process added, which must be there as long as their machine is. */
  const own = new Map<MachineId, Set<UserId>>();

  const put = async (key: string, value: string | undefined): Promise<number> => {
    const sequence = await bucket.put(key, value);
    mirror.wrote(key, sequence, value);
    return sequence;
  };
  const restore = async (id: MachineId): Promise<void> => {
    const machine = rows.machines.get(id);
    const users = own.get(id);
    if (users === undefined || machine === undefined) return;
    const missing = [...users].filter((user) => !machine.rows.has(user));
    for (let index = 0; index < missing.length; index += writesAtOnce) {
      await Promise.all(missing.slice(index, index + writesAtOnce).map((user) => put(rowKey(user, id), "1")));
    }
  };

  let nextFence: Promise<void> | undefined;
  let fencing: Promise<unknown> = Promise.resolve();
  /** One fence serves all who asked before it was written. */
  const fence = (): Promise<void> => {
    nextFence ??= (async () => {
      await fencing;
      nextFence = undefined;
      const writing = bucket.put(fenceKey, "1");
      fencing = writing.catch(() => undefined);
      await mirror.reached(await writing);
    })();
    return nextFence;
  };

  const connections: ConnectionDirectory = {
    async renew(id, leaseMs) {
      await mirror.following();
      const voidBefore = rows.machines.get(id)?.voidBefore ?? 0;
      await put(machineKey(id), JSON.stringify({ leaseMs, voidBefore }));
      await restore(id);
      sweep.begin();
    },
    async retire(id) {
      await mirror.following();
      own.delete(id);
      const machine = rows.machines.get(id);
      if (machine === undefined || (machine.lease === undefined && machine.rows.size === 0)) return;
      const sequence = await put(machineKey(id), undefined);
      await bucket.purge(`r.${encodeKey(id)}.>`, sequence);
    },
    async add(user, id) {
      // A session waits for its row. It is written again where nobody knows whether it is there, because the mirror is catching up.
      if (!mirror.isFollowing || rows.machines.get(id)?.rows.has(user) !== true) await put(rowKey(user, id), "1");
      const users = own.get(id);
      if (users === undefined) own.set(id, new Set([user]));
      else users.add(user);
    },
    async remove(user, id) {
      await mirror.following();
      own.get(id)?.delete(user);
      if (rows.machines.get(id)?.rows.has(user) !== true) return;
      sweep.marked(await put(rowKey(user, id), undefined));
    },
    async machinesOf(users) {
      if (users.length === 0) return new Set();
      await fence();
      return rows.machinesOf(users);
    },
    async *watch(signal) {
      if (signal.aborted) return;
      await mirror.following();
      const begin = () => {
        watchLeases();
        return rows.all();
      };
      yield* listeners.listen(begin, signal);
    },
  };
  await mirror.following();
  return {
    connections,
    async stop() {
      cancelCheck?.();
      await mirror.stop();
    },
  };
}

function applyMachine(
  rows: DirectoryRows,
  { machine, sequence, payload }: { machine: MachineId; sequence: number; payload: Uint8Array },
): void {
  if (payload.length === 0) {
    rows.retired(machine, sequence);
    return;
  }
  const { leaseMs, voidBefore } = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>;
  if (typeof leaseMs !== "number" || typeof voidBefore !== "number") return;
  rows.renewed(machine, { sequence, leaseMs, voidBefore });
}
