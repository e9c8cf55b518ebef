import type { EncodedEntry, Head, MessageStore } from "@tidings/core";
import { asSeq, type ConversationId } from "@tidings/protocol";
import type { Reader } from "./reader.ts";
import type { RecentEntries } from "./recent-entries.ts";
import { entryKinds } from "./schema.ts";
import type { Writer } from "./writer.ts";

export function createSqliteMessageStore(parts: {
  writer: Writer;
  reader: Reader;
  recent: RecentEntries;
}): MessageStore {
  const { writer, reader, recent } = parts;
  return {
    append: (request) => writer.append(request),
    async entries(range) {
      const known = recent.entries(range);
      if (known !== undefined) return known;
      const { kinds, json } = await reader.call("entries", range);
      return json.map((text, index): EncodedEntry => {
        const kind = entryKinds[kinds[index] ?? -1] ?? "message";
        return { seq: asSeq(range.fromSeq + index), kind, json: text };
      });
    },
    async heads(conversations) {
      const heads = new Map<ConversationId, Head>();
      const unknown: ConversationId[] = [];
      for (const conversation of conversations) {
        const head = recent.head(conversation);
        if (head === undefined) unknown.push(conversation);
        else heads.set(conversation, head);
      }
      if (unknown.length === 0) return heads;
      for (const [conversation, head] of await reader.call("heads", unknown)) heads.set(conversation, head);
      return heads;
    },
    async messagesUpTo(points) {
      const counts = points.map(({ conversation, seq }) => {
        if (seq === 0) return 0;
        const head = recent.head(conversation);
        return head !== undefined && seq >= head.head ? head.messages : undefined;
      });
      const unknown = points.filter((_, index) => counts[index] === undefined);
      const found = unknown.length === 0 ? [] : await reader.call("messagesUpTo", unknown);
      let next = 0;
      return counts.map((count) => count ?? found[next++] ?? 0);
    },
  };
}
