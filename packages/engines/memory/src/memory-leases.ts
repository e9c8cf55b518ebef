import type { Clock, Lease, Leases } from "@tidings/core";
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

  const holding = (name: string): Held | undefined => {
    const one = held.get(name);
    if (one === undefined || clock.monotonicMs() < one.endMs) return one;
    held.delete(name);
    return undefined;
  };
  /** The lease as it is held, if it is this one. */
  const same = (name: string, { holder, epoch }: Lease): Held | undefined => {
    const one = holding(name);
    return one?.lease.holder === holder && one.lease.epoch === epoch ? one : undefined;
  };

  return {
    async acquire(name, holder, leaseMs) {
      const other = holding(name);
      if (other !== undefined && other.lease.holder !== holder) return undefined;
      if (other === undefined && held.size >= leasesMax) {
        for (const ended of [...held.keys()]) holding(ended);
        if (held.size >= leasesMax) throw new TidingsError("unavailable");
      }
      newestEpoch += 1;
      const lease: Lease = { holder, epoch: newestEpoch };
      held.set(name, { lease, endMs: clock.monotonicMs() + leaseMs });
      return lease;
    },
    async renew(name, lease, leaseMs) {
      const one = same(name, lease);
      if (one === undefined) return false;
      one.endMs = clock.monotonicMs() + leaseMs;
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
  };
}

type Held = { readonly lease: Lease; endMs: number };
