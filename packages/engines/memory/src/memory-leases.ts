import type { Clock, Lease, Leases, NamedLease } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";

/** Leases held at the same time; more are refused (G8). */
export const leasesMax = 10_000;

/**
 * Leases by the monotonic time of whoever keeps them. There is one row of epochs for all names, so a name that nobody holds needs
 * no memory, and its epochs ascend all the same. Calls made again in their order, at a clock that shows the times at which they
 * were made, make the same leases: so a journal keeps each call's time.
 */
export function createMemoryLeases(clock: Pick<Clock, "monotonicMs">): Leases {
  const held = new Map<string, Held>();
  let newestEpoch = 0;

  const holds = (one: Held): boolean =>
    "endMs" in one ? clock.monotonicMs() < one.endMs : same(one.under.name, one.under.lease) !== undefined;
  const holding = (name: string): Held | undefined => {
    const one = held.get(name);
    if (one === undefined || holds(one)) return one;
    held.delete(name);
    return undefined;
  };
  /** The lease as it is held, if it is this one. */
  function same(name: string, { holder, epoch }: Lease): Held | undefined {
    const one = holding(name);
    return one?.lease.holder === holder && one.lease.epoch === epoch ? one : undefined;
  }
  function take(name: string, holder: string, until: Until): Lease | undefined {
    const other = holding(name);
    if (other !== undefined && other.lease.holder !== holder) return undefined;
    if (other === undefined && held.size >= leasesMax) {
      for (const ended of [...held.keys()]) holding(ended);
      if (held.size >= leasesMax) throw new TidingsError("unavailable");
    }
    newestEpoch += 1;
    const lease: Lease = { holder, epoch: newestEpoch };
    held.set(name, { lease, ...until });
    return lease;
  }

  return {
    acquire: async (name, holder, leaseMs) => take(name, holder, { endMs: clock.monotonicMs() + leaseMs }),
    async acquireUnder(name, under) {
      const other = same(under.name, under.lease);
      if (other === undefined || "under" in other) return undefined;
      return take(name, under.lease.holder, { under });
    },
    async renew(name, lease, leaseMs) {
      const one = same(name, lease);
      if (one === undefined) return false;
      if ("endMs" in one) one.endMs = clock.monotonicMs() + leaseMs;
      return true;
    },
    async release(name, lease) {
      if (same(name, lease) !== undefined) held.delete(name);
    },
    async holders(prefix) {
      const found = new Map<string, string>();
      for (const name of [...held.keys()]) {
        const holder = name.startsWith(prefix) ? holding(name)?.lease.holder : undefined;
        if (holder !== undefined) found.set(name, holder);
      }
      return found;
    },
    async firstEndMs(prefix) {
      let firstMs: number | undefined;
      for (const name of [...held.keys()]) {
        const one = name.startsWith(prefix) ? holding(name) : undefined;
        if (one === undefined || !("endMs" in one)) continue;
        firstMs = Math.min(firstMs ?? Infinity, one.endMs - clock.monotonicMs());
      }
      return firstMs;
    },
  };
}

type Until = { endMs: number } | { readonly under: NamedLease };
type Held = { readonly lease: Lease } & Until;
