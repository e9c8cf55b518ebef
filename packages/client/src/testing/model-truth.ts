import {
  asConversationId,
  asMessageId,
  asSeq,
  asUserId,
  type ConversationId,
  type ConversationState,
  type Entry,
  type MessageEntry,
  type MessageId,
  type Seq,
  type SyncStatus,
  TidingsError,
  type User,
  type UserId,
} from "@tidings/protocol";

export const me: User = { user_id: asUserId("u_me"), name: "me", display_name: "Me" };
const other = asUserId("u_other");

export type Access = { member: boolean; joinedSeq: Seq; firstSeq: Seq; lastSeq: Seq | undefined };
export type ModelConversation = {
  readonly id: ConversationId;
  readonly history: "everything" | "since-join";
  readonly entries: Entry[];
  access: Access | undefined;
  /** Every first_seq that the user was told; he may learn of one late. */
  readonly firstSeqs: Set<number>;
};

/** What a server knows, as seen by one user: a few groups with their entries, and what he may read of each. */
export class ModelTruth {
  readonly conversations: readonly ModelConversation[];

  /** `joined`: for each group, is the user in it from the beginning? */
  constructor(groups: readonly { history: "everything" | "since-join"; joined: boolean; entries: number }[]) {
    this.conversations = groups.map(({ history, joined, entries }, index) => {
      const conversation: ModelConversation = {
        id: asConversationId(`g_${index}`),
        history,
        entries: [],
        access: undefined,
        firstSeqs: new Set(),
      };
      for (let n = 0; n < entries; n += 1) this.append(conversation);
      if (joined) this.join(conversation);
      return conversation;
    });
  }

  find(id: ConversationId): ModelConversation | undefined {
    return this.conversations.find((conversation) => conversation.id === id);
  }

  /** Another member's message. */
  append(conversation: ModelConversation): Entry {
    const message_id = asMessageId(`o${conversation.entries.length}`);
    return this.#push(conversation, { kind: "message", sender: other, message_id, text: "…" });
  }

  /** Ours: once for each message_id. Throws `conversation-not-found`, `not-a-member`. */
  take(
    id: ConversationId | undefined,
    message: { message_id: MessageId; text: string },
  ): { conversation: ModelConversation; entry: Entry } {
    const conversation = id === undefined ? undefined : this.find(id);
    if (conversation === undefined) throw new TidingsError("conversation-not-found");
    // A repetition gets its answer, also when its sender has left meanwhile (G2).
    const known = this.mine(conversation).find((entry) => entry.message_id === message.message_id);
    if (known === undefined && conversation.access?.member !== true) throw new TidingsError("not-a-member");
    const entry = known ?? this.#push(conversation, { kind: "message", sender: me.user_id, ...message });
    return { conversation, entry };
  }

  mine(conversation: ModelConversation): readonly MessageEntry[] {
    return conversation.entries
      .filter((entry) => entry.kind === "message")
      .filter((entry) => entry.sender === me.user_id);
  }

  join(conversation: ModelConversation): void {
    const { seq } = this.#push(conversation, { kind: "member-joined", user: me.user_id, role: "member", via: "join" });
    const firstSeq = conversation.history === "everything" ? asSeq(1) : seq;
    conversation.firstSeqs.add(firstSeq);
    conversation.access = { member: true, joinedSeq: seq, firstSeq, lastSeq: undefined };
  }

  leave(conversation: ModelConversation, access: Access): void {
    const { seq } = this.#push(conversation, { kind: "member-left", user: me.user_id });
    conversation.access = { ...access, member: false, lastSeq: seq };
  }

  head(conversation: ModelConversation): Seq {
    return asSeq(conversation.entries.length);
  }

  states(): ConversationState[] {
    return this.conversations.flatMap((conversation) => {
      const { access } = conversation;
      return access?.member === true ? [this.state(conversation, access)] : [];
    });
  }

  state(conversation: ModelConversation, access: Access): ConversationState {
    return {
      conversation: conversation.id,
      kind: "group",
      role: "member",
      head: this.head(conversation),
      first_seq: access.firstSeq,
      joined_seq: access.joinedSeq,
      read_seq: asSeq(0),
      unread: 0,
      notify: "mentions",
    };
  }

  /** At most `max` entries after the cursor, and the status as in docs/protocol.md; undefined where he may not know of it. */
  read(conversation: ModelConversation, have: number, max: number): Read | undefined {
    const { access } = conversation;
    if (access === undefined) return undefined;
    const end = access.lastSeq ?? this.head(conversation);
    const cursor = Math.max(access.firstSeq - 1, Math.min(have, end));
    const entries = conversation.entries.slice(cursor, Math.min(end, cursor + max));
    const reached = asSeq(cursor + entries.length);
    const done = access.lastSeq === undefined ? "complete" : "ended";
    return { entries, reached, head: end, status: reached >= end ? done : "truncated", access };
  }

  #push(conversation: ModelConversation, what: New): Entry {
    const entry: Entry = { ...what, seq: asSeq(conversation.entries.length + 1), at_ms: 0 };
    conversation.entries.push(entry);
    return entry;
  }
}

export type Read = { entries: readonly Entry[]; reached: Seq; head: Seq; status: SyncStatus; access: Access };

type Without<E> = E extends unknown ? Omit<E, "seq" | "at_ms"> : never;
type New = Without<Entry>;
export type { UserId };
