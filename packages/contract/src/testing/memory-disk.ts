import type { LogImage, MessageLog, Stores } from "@tidings/core";
import { createMemoryDatabases, createMemoryMessageLog, createMemoryStores } from "@tidings/engine-memory";
import { TidingsError } from "@tidings/protocol";
import type { Installation } from "../installation.ts";

/**
 * The memory engine over a disk that forgets what was not synced when it crashes: so the suites' cases of durability can
 * be run, and broken, without a real disk. A write is a call; the disk is the list of calls that were synced, and opening is
 * doing them again. Writes wait for the sync that follows in the next turn, as in a group commit.
 *
 * `acknowledge: "before-sync"` is the fault that G1 forbids: a write is done and answered at once, and synced later, when
 * there is enough to sync.
 */
export function openMemoryDisk(options: DiskOptions = {}): Installation {
  const disk = openDisk(createMemoryStores, storeWrites, options);
  return {
    get stores() {
      return disk.opened;
    },
    crash: disk.crash,
    close: disk.close,
  };
}

/** The same with a Message Log, and the Messaging DB as its image. */
export function openMemoryFleetDisk(options: DiskOptions = {}) {
  const disk = openDisk(createFleet, fleetWrites, options);
  return {
    get stores(): Stores {
      return disk.opened;
    },
    get log(): MessageLog {
      return disk.opened.log;
    },
    get image(): LogImage {
      return disk.opened.image;
    },
    crash: disk.crash,
    close: disk.close,
  };
}

type DiskOptions = {
  acknowledge?: "after-sync" | "before-sync";
  /** What the faulty disk lets wait for its sync. */
  lazyWrites?: number;
};
type Fleet = Stores & { readonly log: MessageLog; readonly image: LogImage };

function createFleet(): Fleet {
  const { stores, image } = createMemoryDatabases();
  return { ...stores, image, log: createMemoryMessageLog({ partitions: 2 }) };
}

const lazyWritesDefault = 16;

const storeWrites: Writes<Stores> = {
  messages: ["append"],
  feed: ["advance"],
  groups: ["apply", "ensureDirect"],
  memberships: [],
  markers: ["setRead", "setNotify"],
  invites: ["create", "use", "settle", "giveBack", "revoke"],
  accounts: ["create", "change", "put", "addToken", "revoke"],
  notifications: ["put"],
};
const fleetWrites: Writes<Fleet> = { ...storeWrites, log: ["append"], image: ["takeOver", "apply"] };

/** The methods of each part that write. */
type Writes<Parts> = Readonly<Record<keyof Parts, readonly string[]>>;
type Write<Parts> = readonly [part: keyof Parts, method: string, values: readonly unknown[]];

function openDisk<Parts extends Readonly<Record<keyof Parts, object>>>(
  create: () => Parts,
  writes: Writes<Parts>,
  { acknowledge = "after-sync", lazyWrites = lazyWritesDefault }: DiskOptions,
) {
  const synced: Write<Parts>[] = [];
  let current = openOn({ memory: create(), synced, writes, acknowledge, lazyWrites });
  return {
    get opened(): Parts {
      return current.parts;
    },
    async crash(): Promise<void> {
      current.end();
      current = openOn({ memory: create(), synced, writes, acknowledge, lazyWrites });
    },
    close: async (): Promise<void> => current.end(),
  };
}

function openOn<Parts extends Readonly<Record<keyof Parts, object>>>(disk: {
  memory: Parts;
  synced: Write<Parts>[];
  writes: Writes<Parts>;
  acknowledge: "after-sync" | "before-sync";
  lazyWrites: number;
}): { parts: Parts; end(): void } {
  const { memory, synced, writes, acknowledge, lazyWrites } = disk;
  // What was refused then is refused again.
  for (const write of synced) void perform(memory, write).catch(() => undefined);
  const unsynced: { write: Write<Parts>; settle: (synced: boolean) => void }[] = [];
  let ended = false;

  const sync = (): void => {
    for (const { write, settle } of unsynced.splice(0)) {
      if (!ended) synced.push(write);
      settle(!ended);
    }
  };
  const writeThrough = (write: Write<Parts>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const settle = (done: boolean): void =>
        done ? resolve(perform(memory, write)) : reject(new TidingsError("unavailable"));
      unsynced.push({ write, settle });
      if (unsynced.length === 1) setImmediate(sync);
    });
  const writeAhead = (write: Write<Parts>): Promise<unknown> => {
    unsynced.push({ write, settle: () => undefined });
    if (unsynced.length >= lazyWrites) sync();
    return perform(memory, write);
  };

  const perWrite = acknowledge === "after-sync" ? writeThrough : writeAhead;
  const parts = Object.fromEntries(
    (Object.keys(writes) as (keyof Parts)[]).map((part) => {
      const methods = writes[part].map((method) => [
        method,
        (...values: readonly unknown[]) => perWrite([part, method, values]),
      ]);
      return [part, { ...memory[part], ...Object.fromEntries(methods) }];
    }),
  ) as Parts;
  const end = (): void => {
    ended = true;
    sync();
  };
  return { parts, end };
}

function perform<Parts extends Readonly<Record<keyof Parts, object>>>(
  parts: Parts,
  [part, method, values]: Write<Parts>,
): Promise<unknown> {
  const operations = parts[part] as unknown as Record<string, (...values: readonly unknown[]) => Promise<unknown>>;
  const operation = operations[method] as (...values: readonly unknown[]) => Promise<unknown>;
  return operation(...values);
}
