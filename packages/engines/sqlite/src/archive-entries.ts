import type { DatabaseSync } from "node:sqlite";
import { type ArchivedEntry, type ArchivedPiece, type EntryPlace, invariant } from "@tidings/core";
import { asMessageId, asSeq, asUserId, type ConversationId, TidingsError } from "@tidings/protocol";
import { prepareTuples, rowsOf } from "./rows.ts";
import { entryKinds } from "./schema.ts";

/** The entries of a database that nobody writes to, in the order of conversations; those that are not settled among them. */
export type ArchivedEntries = {
  after(request: { after?: EntryPlace; limit: number }): readonly ArchivedPiece[];
  /** How many of a conversation's requests have their names in `recent_entries`. */
  recentKeys(conversation: ConversationId): number;
};

export function createArchivedEntries(db: DatabaseSync): ArchivedEntries {
  const selectConversations = db.prepare(
    "SELECT conversation, key, head FROM conversations WHERE conversation >= ? ORDER BY conversation LIMIT ?",
  );
  const selectEntries = prepareTuples<EntryTuple>(
    db,
    `SELECT seq, kind, at_ms, messages, json FROM entries
     WHERE conversation_key = ? AND seq BETWEEN ? AND ? ORDER BY seq`,
  );
  const selectKey = db.prepare(
    "SELECT seq FROM message_keys WHERE conversation_key = ? AND sender = ? AND message_id = ?",
  );
  const recent = readRecent(db);

  /** The name stands in the entry; whether the store knows it by that name, in the table of names. */
  const keyOf = (conversationKey: number, seq: number, json: string): ArchivedEntry["key"] => {
    const { sender, message_id: messageId } = JSON.parse(json) as { sender?: string; message_id?: string };
    if (sender === undefined || messageId === undefined) return undefined;
    if (selectKey.get(conversationKey, sender, messageId)?.["seq"] !== seq) return undefined;
    return { sender: asUserId(sender), messageId: asMessageId(messageId) };
  };

  const range = ({ key, conversation }: Conversation, fromSeq: number, toSeq: number): ArchivedEntry[] => {
    const entries: ArchivedEntry[] = [];
    for (const [seq, kind, atMs, messages, json] of selectEntries(key, fromSeq, toSeq)) {
      const named = kind === 0 ? keyOf(key, seq, json) : undefined;
      entries.push({ seq: asSeq(seq), kind: kindOf(kind), json, atMs, messages, ...(named && { key: named }) });
    }
    for (const entry of recent.get(key) ?? []) if (entry.seq >= fromSeq && entry.seq <= toSeq) entries.push(entry);
    checkDense(conversation, entries, fromSeq, toSeq);
    return entries;
  };

  return {
    after({ after, limit }) {
      const pieces: ArchivedPiece[] = [];
      let left = limit;
      // The conversation of the place may have come to its end: then the limit's worth of others is wanted.
      for (const one of rowsOf<Conversation>(selectConversations, after?.conversation ?? "", limit + 1)) {
        if (left === 0) break;
        const fromSeq = one.conversation === after?.conversation ? after.seq + 1 : 1;
        const toSeq = Math.min(one.head, fromSeq + left - 1);
        if (fromSeq > toSeq) continue;
        pieces.push({ conversation: one.conversation, entries: range(one, fromSeq, toSeq) });
        left -= toSeq - fromSeq + 1;
      }
      return pieces;
    },
    recentKeys(conversation) {
      const [found] = rowsOf<Conversation>(selectConversations, conversation, 1);
      if (found?.conversation !== conversation) return 0;
      return (recent.get(found.key) ?? []).filter(({ key }) => key !== undefined).length;
    },
  };
}

type Conversation = { readonly conversation: ConversationId; readonly key: number; readonly head: number };
type EntryTuple = [seq: number, kind: number, atMs: number, messages: number, json: string];

/** By the key of their conversation. There are never more than some thousand; see settle-entries.ts. */
function readRecent(db: DatabaseSync): ReadonlyMap<number, readonly ArchivedEntry[]> {
  type Tuple = [key: number, ...EntryTuple, sender: string | null, messageId: string | null];
  const select = prepareTuples<Tuple>(
    db,
    `SELECT conversation_key, seq, kind, at_ms, messages, json, sender, message_id FROM recent_entries
     ORDER BY conversation_key, seq`,
  );
  const recent = new Map<number, ArchivedEntry[]>();
  for (const [key, seq, kind, atMs, messages, json, sender, messageId] of select()) {
    const entries = recent.get(key) ?? [];
    recent.set(key, entries);
    entries.push({
      ...{ seq: asSeq(seq), kind: kindOf(kind), json, atMs, messages },
      ...(sender !== null &&
        messageId !== null && { key: { sender: asUserId(sender), messageId: asMessageId(messageId) } }),
    });
  }
  return recent;
}

function kindOf(number: number): ArchivedEntry["kind"] {
  const kind = entryKinds[number];
  invariant(kind !== undefined, `There is no kind of entries with the number ${number}.`);
  return kind;
}

/** A hole is damage that no copy may hide. */
function checkDense(conversation: string, entries: readonly ArchivedEntry[], fromSeq: number, toSeq: number): void {
  const isDense = entries.length === toSeq - fromSeq + 1 && entries.every(({ seq }, index) => seq === fromSeq + index);
  if (isDense) return;
  const detail = `The database is damaged: of the conversation ${conversation} not all entries ${fromSeq} … ${toSeq} are there.`;
  throw new TidingsError("unavailable", { detail });
}
