import { type ArchivedEntry, type ArchivedPiece, type EntryPlace, invariant } from "@tidings/core";
import { type ConversationId, type MessageId, type Seq, TidingsError, type UserId } from "@tidings/protocol";
import type { Query } from "./database.ts";
import { entryKinds } from "./schema.ts";

/** Entries in the order of conversations: first which ranges, by the heads, then these ranges; so each question is bounded. */
export async function readArchivedEntries(
  query: Query,
  { after, limit }: { after?: EntryPlace; limit: number },
): Promise<readonly ArchivedPiece[]> {
  const ranges: Range[] = [];
  let left = limit;
  for (const { conversation, key, head } of await query<Row>(selectHeads, after?.conversation ?? "", limit + 1)) {
    if (left === 0) break;
    const from = conversation === after?.conversation ? after.seq + 1 : 1;
    const to = Math.min(head, from + left - 1);
    if (from > to) continue;
    ranges.push({ conversation, key, from, to });
    left -= to - from + 1;
  }
  if (ranges.length === 0) return [];
  const rows = await query<EntryRow>(
    selectRanges,
    ranges.map(({ key }) => key),
    ranges.map(({ from }) => from),
    ranges.map(({ to }) => to),
  );
  const pieces = ranges.map(({ conversation }) => ({ conversation, entries: [] as ArchivedEntry[] }));
  for (const { place, ...row } of rows) pieces[place - 1]?.entries.push(entryOf(row));
  for (const [index, { entries }] of pieces.entries()) checkDense(ranges[index], entries);
  return pieces;
}

type Row = { readonly conversation: ConversationId; readonly key: number; readonly head: number };
type Range = Omit<Row, "head"> & { readonly from: number; readonly to: number };
type EntryRow = Omit<ArchivedEntry, "kind" | "key"> & {
  readonly place: number;
  readonly kind: number;
  readonly sender?: UserId;
  readonly messageId?: MessageId;
};

function entryOf({ kind: number, sender, messageId, ...rest }: Omit<EntryRow, "place">): ArchivedEntry {
  const kind = entryKinds[number];
  invariant(kind !== undefined, `There is no kind of entries with the number ${number}.`);
  return { ...rest, kind, ...(sender !== undefined && messageId !== undefined && { key: { sender, messageId } }) };
}

/** A hole is damage that no copy may hide. */
function checkDense(range: Range | undefined, entries: readonly { readonly seq: Seq }[]): void {
  if (range === undefined) return;
  const { conversation, from, to } = range;
  if (entries.length === to - from + 1 && entries.every(({ seq }, index) => seq === from + index)) return;
  const detail = `The database is damaged: of the conversation ${conversation} not all entries ${from} … ${to} are there.`;
  throw new TidingsError("unavailable", { detail });
}

const selectHeads = {
  name: "archive-heads",
  text: "SELECT conversation, key, head FROM conversations WHERE conversation >= $1 ORDER BY conversation LIMIT $2",
};
const selectRanges = {
  name: "archive-ranges",
  text: `SELECT r.place, e.seq, e.kind, e.json, e.at_ms AS "atMs", e.messages, e.sender, e.message_id AS "messageId"
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS r (key, from_seq, to_seq, place)
    CROSS JOIN LATERAL (
      SELECT * FROM entries o WHERE o.conversation_key = r.key AND o.seq BETWEEN r.from_seq AND r.to_seq ORDER BY o.seq
    ) AS e ORDER BY r.place, e.seq`,
};
