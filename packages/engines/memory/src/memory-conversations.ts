import {
  type AppendOutcome,
  type AppendRequest,
  type EncodedEntry,
  invariant,
  type LoggedKey,
  type Stored,
} from "@tidings/core";
import { asSeq, type ConversationId, type Seq } from "@tidings/protocol";

/** The data of the Messaging DB: what `MessageStore` and `LogImage` are two doors to. */
export class MemoryConversations {
  readonly #conversations = new Map<ConversationId, Conversation>();
  readonly #note: (conversation: ConversationId, fromSeq: Seq, toSeq: Seq) => void;

  /** `note` hears of every range that was appended, in order. */
  constructor(note: (conversation: ConversationId, fromSeq: Seq, toSeq: Seq) => void) {
    this.#note = note;
  }

  get(id: ConversationId): Readonly<Conversation> | undefined {
    return this.#conversations.get(id);
  }

  find({ conversation, sender, messageId }: LoggedKey): Stored | undefined {
    return this.#conversations.get(conversation)?.keys.get(keyText({ sender, messageId }));
  }

  append({ conversation: id, drafts, key, ifGroupSeq }: AppendRequest): AppendOutcome {
    const [first] = drafts;
    invariant(first !== undefined, "An append has at least one draft.");
    const conversation = this.#conversations.get(id) ?? newConversation();
    const original = key === undefined ? undefined : conversation.keys.get(keyText(key));
    if (original !== undefined) return { outcome: "duplicate", ...original };
    if (ifGroupSeq !== undefined && ifGroupSeq !== conversation.groupSeq) {
      return { outcome: "conflict", groupSeq: conversation.groupSeq };
    }
    this.#conversations.set(id, conversation);
    const firstSeq = asSeq(conversation.entries.length + 1);
    if (key !== undefined) conversation.keys.set(keyText(key), { seq: firstSeq, atMs: first.atMs });
    for (const { kind, json } of drafts) {
      const seq = asSeq(conversation.entries.length + 1);
      conversation.entries.push({ seq, kind, json: `{"seq":${seq},${json.slice(1)}` });
      conversation.messages.push((conversation.messages.at(-1) ?? 0) + (kind === "message" ? 1 : 0));
      if (kind !== "message") conversation.groupSeq = seq;
    }
    const lastSeq = asSeq(conversation.entries.length);
    this.#note(id, firstSeq, lastSeq);
    return { outcome: "appended", firstSeq, lastSeq };
  }
}

type Conversation = {
  readonly entries: EncodedEntry[];
  /** At index seq - 1: how many of the entries 1 … seq are messages. */
  readonly messages: number[];
  /** Sender and message id → the request's first entry. */
  readonly keys: Map<string, Stored>;
  groupSeq: Seq;
};

const newConversation = (): Conversation => ({ entries: [], messages: [], keys: new Map(), groupSeq: asSeq(0) });

const keyText = ({ sender, messageId }: NonNullable<AppendRequest["key"]>): string => `${sender} ${messageId}`;
