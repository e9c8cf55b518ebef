import type { DatabaseSync } from "node:sqlite";
import type { Change, EntryRange, Head } from "@tidings/core";
import type { ConversationId, Seq } from "@tidings/protocol";
import { prepareTuples, rowOf, rowsOf } from "./rows.ts";

/** Conversations whose keys the reader thread keeps; a key never changes. */
const knownKeysMax = 100_000;

export function createMessageReads(db: DatabaseSync) {
  const selectKey = db.prepare("SELECT key FROM conversations WHERE conversation = ?");
  const selectHead = db.prepare(
    "SELECT head, group_seq AS groupSeq, messages FROM conversations WHERE conversation = ?",
  );
  const selectEntries = (order: "ASC" | "DESC") =>
    prepareTuples<[seq: number, kind: number, json: string]>(
      db,
      `SELECT seq, kind, json FROM entries WHERE conversation_key = ? AND seq BETWEEN ? AND ? ORDER BY seq ${order}`,
    );
  const oldestEntries = selectEntries("ASC");
  const newestEntries = selectEntries("DESC");
  const selectMessages = db.prepare(
    "SELECT messages FROM entries WHERE conversation_key = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
  );
  const selectChanges = db.prepare(
    `SELECT c.position, k.conversation, c.from_seq AS fromSeq, c.to_seq AS toSeq
     FROM changes c JOIN conversations k ON k.key = c.conversation_key
     WHERE c.position > ? ORDER BY c.position LIMIT ?`,
  );

  const keys = new Map<ConversationId, number>();
  const keyOf = (conversation: ConversationId): number | undefined => {
    const known = keys.get(conversation);
    if (known !== undefined) return known;
    const key = rowOf<{ key: number }>(selectKey, conversation)?.key;
    if (key === undefined) return undefined;
    if (keys.size >= knownKeysMax) keys.clear();
    keys.set(conversation, key);
    return key;
  };

  return {
    /** The first seq, kinds and JSON of the entries, as the port's `entries` says. */
    entries(range: EntryRange): { fromSeq: number; kinds: number[]; json: string[] } {
      const { conversation, fromSeq, toSeq, charactersMax, keep } = range;
      const found = { fromSeq: 0, kinds: [] as number[], json: [] as string[] };
      const key = keyOf(conversation);
      if (key === undefined) return found;
      const isDescending = keep === "newest";
      const entries = isDescending ? newestEntries : oldestEntries;
      let characters = 0;
      for (const [seq, kind, json] of entries(key, fromSeq, toSeq)) {
        if (isDescending || found.json.length === 0) found.fromSeq = seq;
        found.kinds.push(kind);
        found.json.push(json);
        characters += json.length;
        if (characters >= charactersMax) break;
      }
      if (!isDescending) return found;
      return { fromSeq: found.fromSeq, kinds: found.kinds.reverse(), json: found.json.reverse() };
    },
    heads(conversations: readonly ConversationId[]): ReadonlyMap<ConversationId, Head> {
      const heads = new Map<ConversationId, Head>();
      for (const conversation of conversations) {
        const head = rowOf<Head>(selectHead, conversation);
        if (head !== undefined) heads.set(conversation, head);
      }
      return heads;
    },
    messagesUpTo: (points: readonly { conversation: ConversationId; seq: Seq }[]): readonly number[] =>
      points.map(({ conversation, seq }) => {
        const key = keyOf(conversation);
        return key === undefined ? 0 : (rowOf<{ messages: number }>(selectMessages, key, seq)?.messages ?? 0);
      }),
    changesAfter: (position: number, limit: number): readonly Change[] => rowsOf(selectChanges, position, limit),
  };
}
