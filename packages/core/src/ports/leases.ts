/**
 * Leases: who does something that one at a time may do, and who is there. A lease ends by itself `leaseMs` after it was taken
 * or renewed; who decides when that is, is the engine, never a holder's wall clock. A holder that stalled may believe
 * that it still holds one: what counts is the epoch, which whoever stores something checks (see `LogImage`).
 *
 * Errors: `unavailable` (it may have been taken or not; taking it again as the same holder is harmless).
 */
export interface Leases {
  /**
   * Takes a lease that is free, has ended, or is the holder's own. Answers with an epoch, which is higher with every taking of
   * this name (also by the same holder again); undefined if another one holds it.
   */
  acquire(name: string, holder: string, leaseMs: number): Promise<Lease | undefined>;
  /**
   * Takes a lease for the holder of another one, under which it stands: it needs no renewal, and ends when the other one ends, is
   * released or is taken anew. So a holder of many renews one. Undefined if another one holds it, or if `under` is not held
   * any more; for the rest as `acquire`. A lease under a lease that stands under another one is not given.
   */
  acquireUnder(name: string, under: NamedLease): Promise<Lease | undefined>;
  /** Prolongs it; false if it has ended or is somebody else's meanwhile. Of one that stands under another: is it still held? */
  renew(name: string, lease: Lease, leaseMs: number): Promise<boolean>;
  /** Ends it at once, if it is still this one. Again does nothing. */
  release(name: string, lease: Lease): Promise<void>;
  /** The leases now held whose names begin with `prefix`: name → holder. */
  holders(prefix: string): Promise<ReadonlyMap<string, string>>;
  /**
   * How many milliseconds there are until the first of the leases held whose names begin with `prefix` ends, unless it is renewed
   * before; those under another one do not count. Undefined if none is held.
   */
  firstEndMs(prefix: string): Promise<number | undefined>;
}

export type Lease = { readonly holder: string; readonly epoch: number };

export type NamedLease = { readonly name: string; readonly lease: Lease };
