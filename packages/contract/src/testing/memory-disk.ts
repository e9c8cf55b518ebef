import type { Stores } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
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
export function openMemoryDisk(options: { acknowledge?: "after-sync" | "before-sync" } = {}): Installation {
  const synced: Write[] = [];
  let opened = open(synced, options.acknowledge ?? "after-sync");
  return {
    get stores() {
      return opened.stores;
    },
    async crash() {
      opened.end();
      opened = open(synced, options.acknowledge ?? "after-sync");
    },
    close: async () => opened.end(),
  };
}

/** What the faulty disk lets wait for its sync. */
const lazyWrites = 16;

type Write = readonly [store: keyof Stores, method: string, values: readonly unknown[]];

const writes: Readonly<Record<keyof Stores, readonly string[]>> = {
  messages: ["append"],
  feed: ["advance"],
  groups: ["apply", "ensureDirect"],
  markers: ["setRead", "setNotify"],
  invites: ["create", "use", "settle", "giveBack", "revoke"],
  accounts: ["create", "change", "put", "addToken", "revoke"],
  notifications: ["put"],
};

function open(synced: Write[], acknowledge: "after-sync" | "before-sync"): { stores: Stores; end(): void } {
  const memory = createMemoryStores();
  for (const write of synced) void perform(memory, write);
  const unsynced: { write: Write; settle: (synced: boolean) => void }[] = [];
  let ended = false;

  const sync = (): void => {
    for (const { write, settle } of unsynced.splice(0)) {
      if (!ended) synced.push(write);
      settle(!ended);
    }
  };
  const writeThrough = (write: Write): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const settle = (done: boolean): void =>
        done ? resolve(perform(memory, write)) : reject(new TidingsError("unavailable"));
      unsynced.push({ write, settle });
      if (unsynced.length === 1) setImmediate(sync);
    });
  const writeAhead = (write: Write): Promise<unknown> => {
    unsynced.push({ write, settle: () => undefined });
    if (unsynced.length >= lazyWrites) sync();
    return perform(memory, write);
  };

  const perWrite = acknowledge === "after-sync" ? writeThrough : writeAhead;
  const stores = Object.fromEntries(
    (Object.keys(memory) as (keyof Stores)[]).map((store) => {
      const methods = writes[store].map((method) => [
        method,
        (...values: readonly unknown[]) => perWrite([store, method, values]),
      ]);
      return [store, { ...memory[store], ...Object.fromEntries(methods) }];
    }),
  ) as Stores;
  const end = (): void => {
    ended = true;
    sync();
  };
  return { stores, end };
}

function perform(stores: Stores, [store, method, values]: Write): Promise<unknown> {
  const operations = stores[store] as unknown as Record<string, (...values: readonly unknown[]) => Promise<unknown>>;
  const operation = operations[method] as (...values: readonly unknown[]) => Promise<unknown>;
  return operation(...values);
}
