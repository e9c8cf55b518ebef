import { type Head, invariant, type MessageStore } from "@tidings/core";
import { asSeq, type ConversationId } from "@tidings/protocol";
import type { MemoryConversations } from "./memory-conversations.ts";

export function createMemoryMessageStore(conversations: MemoryConversations): MessageStore {
  return {
    async append(request) {
      const { drafts, key } = request;
      invariant(
        key === undefined || (drafts.length === 1 && drafts[0]?.kind === "message"),
        "A key names exactly one message.",
      );
      return conversations.append(request);
    },
    async entries({ conversation, fromSeq, toSeq, charactersMax, keep }) {
      const range = conversations.get(conversation)?.entries.slice(fromSeq - 1, toSeq) ?? [];
      if (keep === "newest") range.reverse();
      let characters = 0;
      const last = range.findIndex(({ json }) => {
        characters += json.length;
        return characters >= charactersMax;
      });
      const found = last === -1 ? range : range.slice(0, last + 1);
      return keep === "newest" ? found.reverse() : found;
    },
    async heads(ids) {
      const heads = new Map<ConversationId, Head>();
      for (const id of ids) {
        const conversation = conversations.get(id);
        if (conversation === undefined) continue;
        const { entries, groupSeq, messages } = conversation;
        heads.set(id, { head: asSeq(entries.length), groupSeq, messages: messages.at(-1) ?? 0 });
      }
      return heads;
    },
    messagesUpTo: async (points) =>
      points.map(({ conversation: id, seq }) => {
        const messages = conversations.get(id)?.messages ?? [];
        return messages[Math.min(seq, messages.length) - 1] ?? 0;
      }),
  };
}
