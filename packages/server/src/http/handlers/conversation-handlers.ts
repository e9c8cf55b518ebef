import { limits } from "@tidings/protocol";
import type { TakenMessage } from "../../services.ts";
import type { OperationHandlers } from "../operation.ts";
import type { HttpAppParts } from "../parts.ts";

export type ConversationOperation =
  | "conversations"
  | "conversation"
  | "sendMessage"
  | "sendDirect"
  | "entries"
  | "sync"
  | "markRead"
  | "setNotify"
  | "notifications";

export function createConversationHandlers(parts: HttpAppParts): Pick<OperationHandlers, ConversationOperation> {
  const { access, base, markers, receiveService, sendService } = parts;
  const { notifications } = base.stores;
  return {
    conversations: async ({ caller }) => ({ items: [...(await access.states(caller.user.user_id))] }),
    conversation: ({ caller, params }) => access.state(caller.user.user_id, params.conversation),
    sendMessage: async ({ caller, params, body }) =>
      toAnswer(await sendService.send(caller.user.user_id, { conversation: params.conversation }, body)),
    sendDirect: async ({ caller, params, body }) =>
      toAnswer(await sendService.send(caller.user.user_id, { to: params.user_id }, body)),
    entries: ({ caller, params, query }) => receiveService.entries(caller, params.conversation, query),
    sync: ({ caller, body, signal }) => receiveService.sync(caller, body, signal()),
    markRead: async ({ caller, params, body }) => {
      const { readSeq, unread } = await markers.markRead(caller.user.user_id, params.conversation, body.seq);
      return { read_seq: readSeq, unread };
    },
    setNotify: ({ caller, params, body }) => markers.setNotify(caller.user.user_id, params.conversation, body.mode),
    notifications: async ({ caller, query }) => {
      const { after = 0, limit = limits.pageDefault } = query;
      const user = caller.user.user_id;
      const [items, [notified = 0]] = await Promise.all([
        notifications.list(user, { after, limit }),
        notifications.newest([user]),
      ]);
      return { items: [...items], notified };
    },
  };
}

function toAnswer({ conversation, messageId, seq, atMs }: TakenMessage) {
  return { conversation, message_id: messageId, ...(seq !== undefined && { seq }), at_ms: atMs };
}
