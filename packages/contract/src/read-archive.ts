import {
  type Archive,
  type ArchivedEntry,
  type ArchiveEnd,
  type ArchiveKind,
  type ArchiveRecords,
  type ArchiveTarget,
  type CopiedKind,
  copiedKinds,
  type EntryPlace,
  imageKinds,
} from "@tidings/core";

/** All that an archive shows, with each entry at its place. */
export type ArchiveContent = {
  readonly entries: readonly PlacedEntry[];
  readonly records: { readonly [Kind in ArchiveKind]: readonly ArchiveRecords[Kind][] };
};
export type PlacedEntry = ArchivedEntry & Pick<EntryPlace, "conversation">;

export async function readArchive(archive: Archive, limit = 1_000): Promise<ArchiveContent> {
  const records: { [Kind in ArchiveKind]?: readonly unknown[] } = {};
  for (const kind of [...copiedKinds, ...imageKinds]) records[kind] = await allRecords(archive, kind, limit);
  return { entries: await allPlacedEntries(archive, limit), records: records as ArchiveContent["records"] };
}

export async function allRecords<Kind extends ArchiveKind>(
  archive: Archive,
  kind: Kind,
  limit = 1_000,
): Promise<readonly ArchiveRecords[Kind][]> {
  const all: ArchiveRecords[Kind][] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await archive.records(kind, { limit, ...(after !== undefined && { after }) });
    all.push(...items);
    if (next === undefined) return all;
    after = next;
  }
}

async function allPlacedEntries(archive: Archive, limit: number): Promise<readonly PlacedEntry[]> {
  const all: PlacedEntry[] = [];
  for (;;) {
    const last = all.at(-1);
    const pieces = await archive.entries({ limit, ...(last !== undefined && { after: last }) });
    if (pieces.length === 0) return all;
    for (const { conversation, entries } of pieces) for (const entry of entries) all.push({ ...entry, conversation });
  }
}

/** Copies everything that is copied, from where the target ends, in steps of `limit`. What follows from the entries is not made. */
export async function copyArchive(source: Archive, target: ArchiveTarget, limit = 1_000): Promise<void> {
  const end: ArchiveEnd = await target.end();
  for (let after = end.entries; ; ) {
    const pieces = await source.entries({ limit, ...(after !== undefined && { after }) });
    const last = pieces.at(-1);
    if (last === undefined) break;
    await target.putEntries(pieces);
    after = { conversation: last.conversation, seq: last.entries.at(-1)!.seq };
  }
  for (const kind of copiedKinds) await copyRecords(kind, { source, target, limit, after: end.records[kind] });
}

async function copyRecords(
  kind: CopiedKind,
  {
    source,
    target,
    limit,
    after: from,
  }: { source: Archive; target: ArchiveTarget; limit: number; after: string | undefined },
): Promise<void> {
  for (let after = from; ; ) {
    const { items, next } = await source.records(kind, { limit, ...(after !== undefined && { after }) });
    if (items.length > 0) await target.putRecords(kind, items as never);
    if (next === undefined) return;
    after = next;
  }
}
