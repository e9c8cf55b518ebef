/** Where a client stands in a sequence, and what it may read of it. */
export type Position = { readonly cursor: number; readonly firstSeq: number };
/** `count` numbered things from `fromSeq` on, without a hole. */
export type Range = { readonly fromSeq: number; readonly count: number };

/** The answer of `decideSkip` where something before the range is missing. */
export const gap = -1;

/**
 * The one rule of receiving (docs/protocol.md): how many of a range to skip because they are held; the rest is taken.
 * `count` when all are held, `gap` when the range begins later than the next one that is lacking. What lies before
 * `firstSeq` cannot be read and is not lacking. A plain number, for this runs for every delivery.
 */
export function decideSkip({ cursor, firstSeq }: Position, { fromSeq, count }: Range): number {
  if (fromSeq <= cursor + 1) return Math.min(count, cursor + 1 - fromSeq);
  return fromSeq === firstSeq ? 0 : gap;
}

/** How many entries, from the first on, have the seq that their place in the range promises. */
export function denseCount(fromSeq: number, entries: readonly { readonly seq: number }[]): number {
  let count = 0;
  for (const entry of entries) {
    if (entry.seq !== fromSeq + count) break;
    count += 1;
  }
  return count;
}
