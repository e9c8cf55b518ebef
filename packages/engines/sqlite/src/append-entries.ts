import type { DatabaseSync } from "node:sqlite";
import type { AppendBatch, AppendedBatch } from "./append-batch.ts";

/** Conversations whose heads the writer thread keeps; one takes about 200 bytes. */
const knownConversationsMax = 100_000;

/** The statements of one append, for whoever wants to know what they cost without everything around them. */
export const appendStatements = {
  conversation: "SELECT key, head, group_seq, messages FROM conversations WHERE conversation = ?",
  newConversation: "INSERT INTO conversations (conversation, head, group_seq, messages) VALUES (?, 0, 0, 0)",
  entry: "INSERT INTO entries (conversation_key, seq, kind, at_ms, messages, json) VALUES (?, ?, ?, ?, ?, ?)",
  key: "INSERT INTO message_keys (conversation_key, sender, message_id, seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
  head: "UPDATE conversations SET head = ?, group_seq = ?, messages = ? WHERE key = ?",
} as const;

/** The Messaging DB's side of the writer thread. */
export type EntryAppender = {
  /** Stores a batch; to be called inside of a transaction. */
  append(batch: AppendBatch): AppendedBatch;
  /** After a commit, and after a rollback: what is kept in memory follows. */
  committed(): void;
  rolledBack(): void;
};

export function createEntryAppender(db: DatabaseSync): EntryAppender {
  const selectConversation = db.prepare(appendStatements.conversation);
  const insertConversation = db.prepare(appendStatements.newConversation);
  const insertEntry = db.prepare(appendStatements.entry);
  const insertKey = db.prepare(appendStatements.key);
  const updateHead = db.prepare(appendStatements.head);
  const selectOriginal = db.prepare(
    `SELECT k.seq, e.at_ms FROM message_keys k JOIN entries e ON e.conversation_key = k.conversation_key AND e.seq = k.seq
     WHERE k.conversation_key = ? AND k.sender = ? AND k.message_id = ?`,
  );
  const selectChanges = db.prepare(
    "SELECT position, conversation_key, from_seq, to_seq FROM changes WHERE position > ? ORDER BY position",
  );
  selectChanges.setReturnArrays(true);

  const known = new Map<string, Conversation>();
  let newest = newestPosition(db);
  let newestBefore = newest;

  const conversationOf = (id: string): Conversation => {
    const kept = known.get(id);
    if (kept !== undefined) return kept;
    const row = selectConversation.get(id);
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

  const originalOf = (
    conversation: Conversation,
    sender: string,
    messageId: string,
  ): readonly [number, number] | undefined => {
    const row = conversation.key === 0 ? undefined : selectOriginal.get(conversation.key, sender, messageId);
    return row && [Number(row["seq"]), Number(row["at_ms"])];
  };

  const append = ({ conversations: ids, appends, drafts, texts }: AppendBatch): AppendedBatch => {
    newestBefore = newest;
    const conversations = ids.map(conversationOf);
    const outcomes = new Float64Array((appends.length / 4) * 3);
    let text = 0;
    let draft = 0;
    for (let at = 0, out = 0; at < appends.length; at += 4, out += 3) {
      const conversation = conversations[appends[at] ?? 0] as Conversation;
      const draftCount = appends[at + 1] ?? 0;
      const ifGroupSeq = appends[at + 2];
      const keyed = appends[at + 3] === 1;
      const isConflict = ifGroupSeq !== -1 && ifGroupSeq !== conversation.groupSeq;
      if (!isConflict && conversation.key === 0) {
        conversation.key = Number(insertConversation.run(conversation.id).lastInsertRowid);
      }
      let original: readonly [number, number] | undefined;
      if (keyed) {
        const sender = texts[text + draftCount] as string;
        const messageId = texts[text + draftCount + 1] as string;
        const isNew =
          !isConflict && insertKey.run(conversation.key, sender, messageId, conversation.head + 1).changes === 1;
        if (!isNew) original = originalOf(conversation, sender, messageId);
      }
      if (original !== undefined) {
        outcomes.set([1, ...original], out);
      } else if (isConflict) {
        outcomes.set([2, conversation.groupSeq, 0], out);
      } else {
        outcomes[out + 1] = conversation.head + 1;
        for (let index = 0; index < draftCount; index += 1) {
          const kind = drafts[draft + index * 2] as number;
          const seq = conversation.head + 1;
          if (kind === 0) conversation.messages += 1;
          else conversation.groupSeq = seq;
          const json = `{"seq":${seq},${(texts[text + index] as string).slice(1)}`;
          insertEntry.run(
            conversation.key,
            seq,
            kind,
            drafts[draft + index * 2 + 1] as number,
            conversation.messages,
            json,
          );
          conversation.head = seq;
        }
        conversation.changed = true;
        outcomes[out + 2] = conversation.head;
      }
      text += draftCount + (keyed ? 2 : 0);
      draft += draftCount * 2;
    }
    for (const conversation of conversations) storeHead(conversation);
    return { outcomes, heads: headsOf(conversations), changes: newChanges(conversations) };
  };

  const storeHead = (conversation: Conversation): void => {
    if (!conversation.changed) return;
    updateHead.run(conversation.head, conversation.groupSeq, conversation.messages, conversation.key);
    conversation.changed = false;
  };

  /** What the trigger wrote: the feed's live tail goes out with the answer, so that nobody has to ask for it. */
  const newChanges = (conversations: readonly Conversation[]): Float64Array => {
    const indexes = new Map(conversations.map(({ key }, index) => [key, index]));
    const changes: number[] = [];
    for (const row of selectChanges.all(newest) as unknown as [number, number, number, number][]) {
      const [position, key, fromSeq, toSeq] = row;
      changes.push(position, indexes.get(key) ?? -1, fromSeq, toSeq);
      newest = position;
    }
    return Float64Array.from(changes);
  };

  return {
    append,
    committed: () => {
      newestBefore = newest;
      for (const id of known.keys()) {
        if (known.size <= knownConversationsMax) break;
        known.delete(id);
      }
    },
    rolledBack: () => {
      newest = newestBefore;
      known.clear();
    },
  };
}

export function newestPosition(db: DatabaseSync): number {
  return Number(db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").get()?.["seq"] ?? 0);
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

function headsOf(conversations: readonly Conversation[]): Float64Array {
  const heads = new Float64Array(conversations.length * 3);
  for (const [index, { head, groupSeq, messages }] of conversations.entries()) {
    heads.set([head, groupSeq, messages], index * 3);
  }
  return heads;
}
