import { StorageType } from "@nats-io/jetstream";
import type { Lease, Leases, NamedLease } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { openBucket } from "./bucket.ts";
import { BucketMirror } from "./bucket-mirror.ts";
import { decodeKey, encodeKey } from "./keys.ts";
import { decodeLease, encodeLease, type LeaseRecord } from "./lease-records.ts";
import { endedKeptMs, leasesBytesMax, sweepMs, writesAtOnce } from "./limits.ts";
import type { Nats } from "./nats.ts";

/** How often a taking that met another write looks again before it says that it does not know. */
const conflictsMax = 10;

/**
 * Leases in a key-value bucket. Every write is a compare-and-set on the key's last write, so of many who take a lease one gets
 * it, whatever each of them believes. What they believe is when a lease has ended: this process has seen the key's last write and
 * none after it for the lease's time, by its own monotonic clock. So nobody compares clocks, a process that has just
 * started waits a whole lease before it takes anything over, and one that is cut off, or was asleep, may believe that a lease
 * ended that was renewed: its write then meets a newer one, and fails. A holder counts from before it asked, and so gives up
 * before anybody else takes over.
 *
 * The epoch is the sequence of the write that took the lease. Sequences ascend over all keys and for the life of the bucket, which
 * is kept in files, so that its epochs go on when all servers were down (and see `keepStream` for a bucket that was lost).
 */
export async function openNatsLeases(
  nats: Nats,
  options: { readonly replicas: number },
): Promise<{ readonly leases: Leases; stop(): Promise<void> }> {
  const { clock, log } = nats;
  const bucket = await openBucket(nats, {
    bucket: `${nats.name}-leases`,
    storage: StorageType.File,
    replicas: options.replicas,
    bytesMax: leasesBytesMax,
  });
  const records = new Map<string, LeaseRecord | Free>();
  const endedMs = new WeakMap<LeaseRecord, number>();
  let sweptMs = clock.monotonicMs();

  const note = (name: string, sequence: number, payload: Uint8Array, own?: { sinceMs: number }): void => {
    if ((records.get(name)?.sequence ?? 0) >= sequence) return;
    const sinceMs = own?.sinceMs ?? clock.monotonicMs();
    const record = decodeLease(payload, { sequence, sinceMs, isOwn: own !== undefined });
    records.set(name, record ?? { sequence, freeSinceMs: clock.monotonicMs() });
  };
  const mirror = new BucketMirror({
    nats,
    bucket,
    apply: (key, sequence, payload) => note(decodeKey(key), sequence, payload),
    retain(keys, sequence) {
      for (const [name, record] of records) {
        if (record.sequence <= sequence && !keys.has(encodeKey(name))) records.delete(name);
      }
    },
  });

  const endMsOf = (until: { leaseMs: number; sinceMs: number; isOwn: boolean }): number =>
    until.leaseMs + (until.isOwn ? until.sinceMs : Math.max(until.sinceMs, mirror.caughtUpMs));
  const holds = (record: LeaseRecord): boolean => {
    const { until } = record;
    if ("leaseMs" in until) return clock.monotonicMs() < endMsOf(until);
    const other = held(until.name);
    return other !== undefined && "leaseMs" in other.until && other.epoch === until.epoch;
  };
  function held(name: string): LeaseRecord | undefined {
    const record = records.get(name);
    return record !== undefined && "holder" in record && holds(record) ? record : undefined;
  }
  const isSame = (record: LeaseRecord | Free | undefined, lease: Lease): record is LeaseRecord =>
    record !== undefined && "holder" in record && record.epoch === lease.epoch && record.holder === lease.holder;

  /** Asks the leader: the mirror may be behind. */
  const refresh = async (name: string): Promise<void> => {
    const stored = await bucket.read(encodeKey(name));
    if (stored === undefined) records.delete(name);
    else note(name, stored.sequence, stored.payload);
  };
  /** The lease as it is held, if it is this one. */
  const same = async (name: string, lease: Lease): Promise<LeaseRecord | undefined> => {
    if (!isSame(records.get(name), lease)) await refresh(name);
    const record = records.get(name);
    return isSame(record, lease) && holds(record) ? record : undefined;
  };
  /** Writes if the key is as it is known here; what was written is seen at once. */
  const write = async (name: string, value: string | undefined): Promise<number | undefined> => {
    const sinceMs = clock.monotonicMs();
    const sequence = await bucket.write(encodeKey(name), value, records.get(name)?.sequence ?? 0);
    if (sequence === "conflict") {
      await refresh(name);
      return undefined;
    }
    note(name, sequence, Buffer.from(value ?? ""), { sinceMs });
    return sequence;
  };

  const take = async (name: string, holder: string, value: string): Promise<Lease | undefined> => {
    await mirror.following();
    for (let attempt = 0; attempt < conflictsMax; attempt += 1) {
      if (isAnothers(name, holder)) {
        await refresh(name);
        if (isAnothers(name, holder)) return undefined;
      }
      const epoch = await write(name, value);
      if (epoch !== undefined) return { holder, epoch };
    }
    throw new TidingsError("unavailable");
  };
  const isAnothers = (name: string, holder: string): boolean => {
    const record = held(name);
    return record !== undefined && record.holder !== holder;
  };

  /** Removes what ended long ago. Each removal names one write, so it cannot meet a lease that was taken meanwhile. */
  const sweep = async (): Promise<void> => {
    const nowMs = clock.monotonicMs();
    if (nowMs - sweptMs < sweepMs || !mirror.isFollowing) return;
    sweptMs = nowMs;
    const ended: [string, number][] = [];
    for (const [name, record] of records) {
      if ("holder" in record && holds(record)) continue;
      // When one that stands under another one ended, nobody noted: it counts from the first sweep that saw it so.
      const endMs =
        "freeSinceMs" in record
          ? record.freeSinceMs
          : "leaseMs" in record.until
            ? endMsOf(record.until)
            : (endedMs.get(record) ?? nowMs);
      if ("holder" in record) endedMs.set(record, endMs);
      if (nowMs - endMs > endedKeptMs) ended.push([name, record.sequence]);
    }
    for (const [name, sequence] of ended.slice(0, writesAtOnce)) {
      await bucket.erase(sequence);
      if (records.get(name)?.sequence === sequence) records.delete(name);
    }
  };
  const sweepAside = (): void => {
    sweep().catch((error: unknown) => log.info({ err: error }, "Leases that ended long ago are removed later."));
  };

  const leases: Leases = {
    acquire(name, holder, leaseMs) {
      sweepAside();
      return take(name, holder, encodeLease({ holder, leaseMs }));
    },
    async acquireUnder(name, under: NamedLease) {
      await mirror.following();
      const other = await same(under.name, under.lease);
      if (other === undefined || !("leaseMs" in other.until)) return undefined;
      const { holder, epoch } = under.lease;
      return take(name, holder, encodeLease({ holder, under: { name: under.name, epoch } }));
    },
    async renew(name, lease, leaseMs) {
      sweepAside();
      await mirror.following();
      for (let attempt = 0; attempt < conflictsMax; attempt += 1) {
        const record = await same(name, lease);
        if (record === undefined) return false;
        if (!("leaseMs" in record.until)) return true;
        if ((await write(name, encodeLease({ ...lease, leaseMs }))) !== undefined) return true;
      }
      throw new TidingsError("unavailable");
    },
    async release(name, lease) {
      await mirror.following();
      for (let attempt = 0; attempt < conflictsMax; attempt += 1) {
        if ((await same(name, lease)) === undefined || (await write(name, undefined)) !== undefined) return;
      }
      throw new TidingsError("unavailable");
    },
    async holders(prefix) {
      await mirror.following();
      const found = new Map<string, string>();
      for (const name of records.keys()) {
        const holder = name.startsWith(prefix) ? held(name)?.holder : undefined;
        if (holder !== undefined) found.set(name, holder);
      }
      return found;
    },
    async firstEndMs(prefix) {
      await mirror.following();
      let firstMs: number | undefined;
      for (const name of records.keys()) {
        const until = name.startsWith(prefix) ? held(name)?.until : undefined;
        if (until === undefined || !("leaseMs" in until)) continue;
        firstMs = Math.min(firstMs ?? Infinity, endMsOf(until) - clock.monotonicMs());
      }
      return firstMs;
    },
  };
  await mirror.following();
  return { leases, stop: () => mirror.stop() };
}

/** A key that nobody holds, as its last write stands. */
type Free = { readonly sequence: number; readonly freeSinceMs: number };
