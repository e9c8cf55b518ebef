import type { DatabaseSync } from "node:sqlite";
import type { AppendBatch, AppendedBatch } from "./append-batch.ts";
import { prepareTuples } from "./rows.ts";
import { createSettler, type Settling } from "./settle-entries.ts";
import { type Original, UnsettledKeys } from "./unsettled-keys.ts";

/** Conversations whose heads the writer thread keeps; one takes about 200 bytes. */
const knownConversationsMax = 100_000;

/** The Messaging DB's side of the writer thread. */
export type EntryAppender = {
  /** Stores a batch; to be called inside of a transaction. */
  append(batch: AppendBatch): AppendedBatch;
  /** After a commit, and after a rollback: what is kept in memory follows. */
  committed(): void;
  rolledBack(): void;
};

export function createEntryAppender(db: DatabaseSync, settling: Settling): EntryAppender {
  const statements = prepare(db);
  const settle = createSettler(db);
  settle();
  const known = new Map<string, Conversation>();
  const unsettled = new UnsettledKeys(settling);
  let newest = newestPosition(db);
  let newestBefore = newest;

  const conversationOf = (id: string): Conversation => {
    const kept = known.get(id);
    if (kept !== undefined) return kept;
    const row = statements.conversation.get(id);
    const conversation: Conversation = {
      id,
      key: Number(row?.["key"] ?? 0),
      head: Number(row?.["head"] ?? 0),
      groupSeq: Number(row?.["group_seq"] ?? 0),
      messages: Number(row?.["messages"] ?? 0),
      changed: false,
    };
    known.set(id, conversation);
    return conversation;
  };

  /** Where the message of this name is, if it was stored before. */
  const originalOf = (conversation: Conversation, sender: string, messageId: string): Original | undefined => {
    if (conversation.key === 0) return undefined;
    const recent = unsettled.get(conversation.key, sender, messageId);
    if (recent !== undefined) return recent;
    const row = statements.original.get(conversation.key, sender, messageId);
    return row && { seq: Number(row["seq"]), atMs: Number(row["at_ms"]) };
  };

  const store = (conversation: Conversation, draft: Draft, sender: string | null, messageId: string | null): void => {
    const { kind, atMs, json } = draft;
    const seq = conversation.head + 1;
    if (kind === 0) conversation.messages += 1;
    else conversation.groupSeq = seq;
    const { key, messages } = conversation;
    const text = `{"seq":${seq},${json.slice(1)}`;
    statements.entry.run(key, seq, kind, atMs, messages, sender, messageId, text);
    unsettled.count(text.length);
    if (sender !== null && messageId !== null) {
      unsettled.add({ key, sender, messageId, seq, atMs });
    }
    conversation.head = seq;
    conversation.changed = true;
  };

  const append = (batch: AppendBatch): AppendedBatch => {
    const isSettled = unsettled.isDue;
    if (isSettled) {
      settle();
      unsettled.settle();
    }
    const conversations = batch.conversations.map(conversationOf);
    const outcomes = new Float64Array((batch.appends.length / 4) * 3);
    const { appends, drafts, texts } = batch;
    let text = 0;
    let draft = 0;
    for (let at = 0, out = 0; at < appends.length; at += 4, out += 3) {
      const conversation = conversations[appends[at] ?? 0] as Conversation;
      const draftCount = appends[at + 1] as number;
      const ifGroupSeq = appends[at + 2] as number;
      const isKeyed = appends[at + 3] === 1;
      const sender = isKeyed ? (texts[text + draftCount] as string) : null;
      const messageId = isKeyed ? (texts[text + draftCount + 1] as string) : null;
      const original = sender !== null && messageId !== null ? originalOf(conversation, sender, messageId) : undefined;
      if (original !== undefined) {
        outcomes.set([1, original.seq, original.atMs], out);
      } else if (ifGroupSeq !== -1 && ifGroupSeq !== conversation.groupSeq) {
        outcomes.set([2, conversation.groupSeq, 0], out);
      } else {
        if (conversation.key === 0) {
          conversation.key = Number(statements.newConversation.run(conversation.id).lastInsertRowid);
        }
        outcomes[out + 1] = conversation.head + 1;
        for (let index = 0; index < draftCount; index += 1) {
          const kind = drafts[draft + index * 2] as number;
          const atMs = drafts[draft + index * 2 + 1] as number;
          store(conversation, { kind, atMs, json: texts[text + index] as string }, sender, messageId);
        }
        outcomes[out + 2] = conversation.head;
      }
      text += draftCount + (isKeyed ? 2 : 0);
      draft += draftCount * 2;
    }
    for (const conversation of conversations) storeHead(conversation);
    return { outcomes, heads: headsOf(conversations), changes: newChanges(conversations), isSettled };
  };

  const storeHead = (conversation: Conversation): void => {
    if (!conversation.changed) return;
    statements.head.run(conversation.head, conversation.groupSeq, conversation.messages, conversation.key);
    conversation.changed = false;
  };

  /** What the trigger wrote: the feed's live tail goes out with the answer, so that nobody has to ask for it. */
  const newChanges = (conversations: readonly Conversation[]): Float64Array => {
    const indexes = new Map(conversations.map(({ key }, index) => [key, index]));
    const changes: number[] = [];
    for (const [position, key, fromSeq, toSeq] of statements.changesAfter(newest)) {
      changes.push(position, indexes.get(key) ?? -1, fromSeq, toSeq);
      newest = position;
    }
    return Float64Array.from(changes);
  };

  return {
    append,
    committed: () => {
      newestBefore = newest;
      unsettled.committed();
      for (const id of known.keys()) {
        if (known.size <= knownConversationsMax) break;
        known.delete(id);
      }
    },
    rolledBack: () => {
      newest = newestBefore;
      unsettled.rolledBack();
      known.clear();
    },
  };
}

export function newestPosition(db: DatabaseSync): number {
  return Number(db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").get()?.["seq"] ?? 0);
}

function prepare(db: DatabaseSync) {
  return {
    changesAfter: prepareTuples<[position: number, conversationKey: number, fromSeq: number, toSeq: number]>(
      db,
      "SELECT position, conversation_key, from_seq, to_seq FROM changes WHERE position > ? ORDER BY position",
    ),
    conversation: db.prepare("SELECT key, head, group_seq, messages FROM conversations WHERE conversation = ?"),
    newConversation: db.prepare(
      "INSERT INTO conversations (conversation, head, group_seq, messages) VALUES (?, 0, 0, 0)",
    ),
    entry: db.prepare(
      `INSERT INTO recent_entries (conversation_key, seq, kind, at_ms, messages, sender, message_id, json)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    head: db.prepare("UPDATE conversations SET head = ?, group_seq = ?, messages = ? WHERE key = ?"),
    original: db.prepare(
      `SELECT k.seq, e.at_ms FROM message_keys k
       JOIN entries e ON e.conversation_key = k.conversation_key AND e.seq = k.seq
       WHERE k.conversation_key = ? AND k.sender = ? AND k.message_id = ?`,
    ),
  };
}

type Conversation = {
  readonly id: string;
  /** 0 before the conversation's row is made. */
  key: number;
  head: number;
  groupSeq: number;
  messages: number;
  changed: boolean;
};
type Draft = { readonly kind: number; readonly atMs: number; readonly json: string };
function headsOf(conversations: readonly Conversation[]): Float64Array {
  const heads = new Float64Array(conversations.length * 3);
  for (const [index, { head, groupSeq, messages }] of conversations.entries()) {
    heads.set([head, groupSeq, messages], index * 3);
  }
  return heads;
}
