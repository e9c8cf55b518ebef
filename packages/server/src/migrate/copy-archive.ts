import type { ArchiveSource, ArchiveTarget, CopiedKind, EntryPlace } from "@tidings/core";
import type { MigrationStep } from "./migrate.ts";

export type Copying = {
  readonly source: ArchiveSource;
  readonly target: ArchiveTarget;
  readonly signal: AbortSignal;
  readonly onStep: (step: MigrationStep) => void;
};

/** Entries and records of one transaction: at most 20 MiB of entries, as large as they may be. */
export const pageMax = 1_000;

/** Copies the entries behind a place. While one page is stored, the next one is read. */
export async function copyEntries(options: Copying & { after: EntryPlace | undefined }): Promise<void> {
  const { source, target, signal, onStep } = options;
  const { entries: total } = await source.totals();
  let { after } = options;
  let { entries: done } = await target.totals();
  let storing = Promise.resolve();
  for (;;) {
    signal.throwIfAborted();
    const pieces = await source.entries({ limit: pageMax, ...(after !== undefined && { after }) });
    await storing;
    if (done > 0) onStep({ stage: "Copying entries", done, total });
    const last = pieces.at(-1);
    const lastEntry = last?.entries.at(-1);
    if (last === undefined || lastEntry === undefined) return;
    storing = target.putEntries(pieces);
    // It is awaited in the next round; until then its failure is nobody's.
    storing.catch(() => undefined);
    after = { conversation: last.conversation, seq: lastEntry.seq };
    for (const { entries } of pieces) done += entries.length;
  }
}

/** Copies the records of a kind behind a key. */
export async function copyRecords<Kind extends CopiedKind>(
  kind: Kind,
  { source, target, signal, onStep, after: from }: Copying & { after: string | undefined },
): Promise<void> {
  let done = 0;
  for (let after = from; ; ) {
    signal.throwIfAborted();
    const { items, next } = await source.records(kind, { limit: pageMax, ...(after !== undefined && { after }) });
    if (items.length > 0) await target.putRecords(kind, items);
    done += items.length;
    if (done > 0) onStep({ stage: `Copying ${kind}`, done });
    if (next === undefined) return;
    after = next;
  }
}
