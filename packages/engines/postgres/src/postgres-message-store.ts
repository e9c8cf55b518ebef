import type { EncodedEntry, EntryRange, Head, MessageStore } from "@tidings/core";
import type { ConversationId, Seq } from "@tidings/protocol";
import type { AppendQueue } from "./append-queue.ts";
import type { Database } from "./database.ts";
import { entryKinds } from "./schema.ts";

export function createPostgresMessageStore({ db, queue }: { db: Database; queue: AppendQueue }): MessageStore {
  return {
    append: (request) => queue.append(request),
    async entries({ conversation, fromSeq, toSeq, charactersMax, keep }) {
      // The shortest entry, `{"seq":1,"kind":…}`, has more than ten characters; so the limit never cuts what is asked for.
      const limit = Math.min(toSeq - fromSeq + 1, Math.ceil(charactersMax / 10) + 1);
      if (limit < 1) return [];
      const bytesMax = charactersMax * bytesPerCharacterMax;
      const statement = keep === "newest" ? selectNewest : selectOldest;
      const rows = await db.read<EntryRow>(statement, conversation, fromSeq, toSeq, limit, bytesMax);
      return upToCharacters(rows, charactersMax, keep);
    },
    async heads(conversations) {
      if (conversations.length === 0) return new Map();
      const rows = await db.read<Head & { conversation: ConversationId }>(selectHeads, conversations);
      return new Map(rows.map(({ conversation, ...head }) => [conversation, head]));
    },
    async messagesUpTo(points) {
      if (points.length === 0) return [];
      const [conversations, seqs] = [points.map(({ conversation }) => conversation), points.map(({ seq }) => seq)];
      const rows = await db.read<{ place: number; messages: number }>(selectMessages, conversations, seqs);
      const counts = new Array<number>(points.length).fill(0);
      for (const { place, messages } of rows) counts[place - 1] = messages;
      return counts;
    },
  };
}

type EntryRow = { readonly seq: Seq; readonly kind: number; readonly json: string };

/** A UTF-16 unit takes at most so many bytes of UTF-8. */
const bytesPerCharacterMax = 3;

/** The database counts bytes, which it knows without reading the texts, and so answers too much if anything; this cuts it exactly. */
function upToCharacters(
  rows: readonly EntryRow[],
  charactersMax: number,
  keep: EntryRange["keep"],
): readonly EncodedEntry[] {
  const entries: EncodedEntry[] = [];
  let characters = 0;
  for (const { seq, kind, json } of rows) {
    entries.push({ seq, kind: entryKinds[kind] ?? "message", json });
    characters += json.length;
    if (characters >= charactersMax) break;
  }
  return keep === "newest" ? entries.reverse() : entries;
}

const selectEntries = (order: "ASC" | "DESC") => `
  SELECT seq, kind, json FROM (
    SELECT seq, kind, json, sum(octet_length(json)) OVER (ORDER BY seq ${order}) - octet_length(json) AS before FROM (
      SELECT seq, kind, json FROM entries
      WHERE conversation_key = (SELECT key FROM conversations WHERE conversation = $1) AND seq BETWEEN $2 AND $3
      ORDER BY seq ${order} LIMIT $4
    ) AS range
  ) AS sized WHERE before < $5 ORDER BY seq ${order}`;
const selectOldest = { name: "oldest-entries", text: selectEntries("ASC") };
const selectNewest = { name: "newest-entries", text: selectEntries("DESC") };
const selectHeads = {
  name: "heads",
  text: `SELECT conversation, head, group_seq AS "groupSeq", messages FROM conversations WHERE conversation = ANY ($1::text[])`,
};
/** Entries are dense: the last one up to a seq is the one at the seq, or at the head. */
export const selectMessages = {
  name: "messages-up-to",
  text: `SELECT p.place, e.messages FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS p (conversation, seq, place)
    JOIN conversations c ON c.conversation = p.conversation
    CROSS JOIN LATERAL (
      SELECT messages FROM entries WHERE conversation_key = c.key AND seq = least(p.seq, c.head) LIMIT 1
    ) AS e`,
};
