import {
  type AppendOutcome,
  type AppendRequest,
  type EncodedEntry,
  type Head,
  invariant,
  type MessageStore,
} from "@tidings/core";
import { asSeq, type ConversationId, type Seq } from "@tidings/protocol";

/** `note` hears of every range that was appended, in order. */
export function createMemoryMessageStore(
  note: (conversation: ConversationId, fromSeq: Seq, toSeq: Seq) => void,
): MessageStore {
  const conversations = new Map<ConversationId, Conversation>();

  const append = (request: AppendRequest): AppendOutcome => {
    const { conversation: id, drafts, key, ifGroupSeq } = request;
    invariant(drafts.length > 0, "An append has at least one draft.");
    invariant(
      key === undefined || (drafts.length === 1 && drafts[0]?.kind === "message"),
      "A key names exactly one message.",
    );
    const conversation = conversations.get(id) ?? newConversation();
    const keyText = key === undefined ? undefined : `${key.sender} ${key.messageId}`;
    const original = keyText === undefined ? undefined : conversation.keys.get(keyText);
    if (original !== undefined) return { outcome: "duplicate", ...original };
    if (ifGroupSeq !== undefined && ifGroupSeq !== conversation.groupSeq) {
      return { outcome: "conflict", groupSeq: conversation.groupSeq };
    }
    conversations.set(id, conversation);
    const firstSeq = asSeq(conversation.entries.length + 1);
    for (const { kind, atMs, json } of drafts) {
      const seq = asSeq(conversation.entries.length + 1);
      conversation.entries.push({ seq, kind, json: `{"seq":${seq},${json.slice(1)}` });
      conversation.messages.push((conversation.messages.at(-1) ?? 0) + (kind === "message" ? 1 : 0));
      if (kind !== "message") conversation.groupSeq = seq;
      if (keyText !== undefined) conversation.keys.set(keyText, { seq, atMs });
    }
    const lastSeq = asSeq(conversation.entries.length);
    note(id, firstSeq, lastSeq);
    return { outcome: "appended", firstSeq, lastSeq };
  };

  return {
    append: async (request) => append(request),
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
        if (conversation !== undefined) heads.set(id, headOf(conversation));
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

type Conversation = {
  readonly entries: EncodedEntry[];
  /** At index seq - 1: how many of the entries 1 … seq are messages. */
  readonly messages: number[];
  /** Sender and message id → where the message is. */
  readonly keys: Map<string, { seq: Seq; atMs: number }>;
  groupSeq: Seq;
};

const newConversation = (): Conversation => ({ entries: [], messages: [], keys: new Map(), groupSeq: asSeq(0) });

const headOf = ({ entries, groupSeq, messages }: Conversation): Head => ({
  head: asSeq(entries.length),
  groupSeq,
  messages: messages.at(-1) ?? 0,
});
