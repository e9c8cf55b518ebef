import { type ArchivedEntry, type ArchivedPiece, ArchiveRefusedError } from "@tidings/core";
import type { ConversationId } from "@tidings/protocol";
import { loadHeads, storeDecided } from "./batch-storage.ts";
import type { Query } from "./database.ts";
import { type ChangedHead, type EntryRow, type KnownHead, rowOf } from "./decide-batch.ts";

/** Stores pieces of conversations as they are, from the heads of these on; counts and heads are made of the entries themselves. */
export async function putArchivedEntries(query: Query, pieces: readonly ArchivedPiece[]): Promise<void> {
  const heads = new Map<ConversationId, KnownHead>();
  await loadHeads(query, [...new Set(pieces.map(({ conversation }) => conversation))], heads);
  const befores = new Map(heads);
  const rows: EntryRow[] = [];
  for (const { conversation, entries } of pieces) {
    let head = heads.get(conversation);
    if (head === undefined) continue;
    for (const entry of entries) {
      if (entry.seq !== head.head + 1) throw elsewhere(conversation, entry, head);
      const isMessage = entry.kind === "message";
      head = {
        key: head.key,
        head: entry.seq,
        groupSeq: isMessage ? head.groupSeq : entry.seq,
        messages: head.messages + (isMessage ? 1 : 0),
      };
      rows.push(rowOf(entry, head));
    }
    heads.set(conversation, head);
  }
  const changed: ChangedHead[] = [];
  for (const [conversation, before] of befores) {
    const now = heads.get(conversation);
    if (now !== undefined && now.head > before.head) changed.push({ conversation, before, now });
  }
  if (rows.length > 0) await storeDecided(query, { entries: rows, changed });
}

const elsewhere = (conversation: ConversationId, { seq }: ArchivedEntry, { head }: KnownHead): ArchiveRefusedError =>
  new ArchiveRefusedError(`The conversation ${conversation} ends at ${head}, so its entry ${seq} does not come next.`);
