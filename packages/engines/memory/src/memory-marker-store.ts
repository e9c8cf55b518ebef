import type { Marker, MarkerStore } from "@tidings/core";
import { asSeq, type ConversationId, type NotifyMode, type UserId } from "@tidings/protocol";

export function createMemoryMarkerStore(): MarkerStore {
  const byConversation = new Map<ConversationId, Map<UserId, Marker>>();

  const marker = (user: UserId, conversation: ConversationId): Marker =>
    byConversation.get(conversation)?.get(user) ?? neverSet;
  const store = (user: UserId, conversation: ConversationId, value: Marker): Marker => {
    const markers = byConversation.get(conversation) ?? new Map<UserId, Marker>();
    byConversation.set(conversation, markers.set(user, value));
    return value;
  };

  return {
    markers: async (user, conversations) => conversations.map((conversation) => marker(user, conversation)),
    async setRead(user, conversation, { seq, messages }) {
      const old = marker(user, conversation);
      return seq <= old.readSeq ? old : store(user, conversation, { ...old, readSeq: seq, readMessages: messages });
    },
    async setNotify(user, conversation, notify) {
      store(user, conversation, { ...marker(user, conversation), notify });
    },
    async notifyModes(conversation) {
      const modes = new Map<UserId, NotifyMode>();
      for (const [user, { notify }] of byConversation.get(conversation) ?? []) {
        if (notify !== undefined) modes.set(user, notify);
      }
      return modes;
    },
  };
}

const neverSet: Marker = { readSeq: asSeq(0), readMessages: 0, notify: undefined };
