/** What a key of the bucket says. `epoch` is absent in the write that took the lease: it is that write's sequence. */
type Stored = {
  readonly holder: string;
  readonly epoch?: number;
  readonly leaseMs?: number;
  readonly under?: { readonly name: string; readonly epoch: number };
};

export type LeaseRecord = {
  /** Of the last write: what the next one has to expect. */
  readonly sequence: number;
  readonly epoch: number;
  readonly holder: string;
  readonly until:
    | { readonly leaseMs: number; readonly sinceMs: number; readonly isOwn: boolean }
    | { readonly name: string; readonly epoch: number };
};

export const encodeLease = (stored: Stored): string => JSON.stringify(stored);

/** Undefined for one that was released, or that nobody of us wrote: it is free. */
export function decodeLease(
  payload: Uint8Array,
  { sequence, sinceMs, isOwn }: { sequence: number; sinceMs: number; isOwn: boolean },
): LeaseRecord | undefined {
  if (payload.length === 0) return undefined;
  let stored: Partial<Stored>;
  try {
    stored = JSON.parse(new TextDecoder().decode(payload)) as Partial<Stored>;
  } catch {
    return undefined;
  }
  const { holder, epoch = sequence, leaseMs, under } = stored;
  if (typeof holder !== "string") return undefined;
  if (under !== undefined) return { sequence, epoch, holder, until: under };
  return typeof leaseMs === "number" ? { sequence, epoch, holder, until: { leaseMs, sinceMs, isOwn } } : undefined;
}
