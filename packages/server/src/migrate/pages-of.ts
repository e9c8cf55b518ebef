import type { Archive, ArchiveKind, ArchiveRecords } from "@tidings/core";

/** All records of a kind, page by page. */
export async function* pagesOf<Kind extends ArchiveKind>(
  archive: Archive,
  kind: Kind,
  limit: number,
): AsyncGenerator<readonly ArchiveRecords[Kind][]> {
  for (let after: string | undefined; ; ) {
    const { items, next } = await archive.records(kind, { limit, ...(after !== undefined && { after }) });
    yield items;
    if (next === undefined) return;
    after = next;
  }
}
