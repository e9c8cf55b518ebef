import type { ConversationId, EntryKind, MessageId, Seq, UserId } from "@tidings/protocol";

/**
 * The Messaging DB: every conversation's entries. Write-heavy.
 *
 * An entry is stored as the JSON text that travels, because it is never rewritten: what a member is sent is, byte
 * for byte, what was stored (G3), and delivery needs neither a parser nor an encoder.
 *
 * Errors: every method may reject with `unavailable` (the database does not answer; nothing is known to have
 * happened, repeat the call) and with nothing else that is expected.
 */
export interface MessageStore {
  /**
   * Appends the drafts of one request to one conversation at head + 1, head + 2 …, making the conversation if it has
   * no entry yet.
   *
   * Atomic: all drafts of a request, or none. Durable: the promise resolves only after the entries would survive the
   * loss of power (G1). Ordering: two requests for one conversation made one after the other by one caller, without
   * waiting, are stored in that order; if the first is rejected with `unavailable`, so is the second (G4).
   * Repetition: a request with a `key` that was stored before, at any time, stores nothing and answers `duplicate`
   * with the original position (G2). Condition: with `ifGroupSeq`, a conversation whose group seq is another one
   * stores nothing and answers `conflict`. The key is looked at before the condition.
   */
  append(request: AppendRequest): Promise<AppendOutcome>;

  /**
   * The entries fromSeq … toSeq of a conversation in ascending order, dense. The answer ends earlier at the head, and
   * after the entry with which the sum of JSON lengths reaches `charactersMax`; it always holds the entry at fromSeq
   * if there is one. With `keep: "newest"` it is the other end that is given up: the answer ends at toSeq or the head, and
   * begins with the entry with which the sum, from there downwards, reaches `charactersMax`; it always holds the last entry
   * of the range. Reads committed entries only, at least those whose append resolved before the call.
   */
  entries(range: EntryRange): Promise<readonly EncodedEntry[]>;

  /** Heads of conversations; one without entries is absent from the map. Freshness as for `entries`. */
  heads(conversations: readonly ConversationId[]): Promise<ReadonlyMap<ConversationId, Head>>;

  /**
   * How many of the entries 1 … seq are messages, for each point, in the order of the points: the difference of two
   * is a count of unread messages. Seq 0 gives 0; a seq beyond the head counts as the head.
   */
  messagesUpTo(points: readonly { conversation: ConversationId; seq: Seq }[]): Promise<readonly number[]>;
}

export type AppendRequest = {
  readonly conversation: ConversationId;
  readonly drafts: readonly EntryDraft[];
  /**
   * The sender's name for the request. In `MessageStore.append` only with exactly one draft, of kind `message`; in the Message Log
   * with any, and what it then names is the first entry.
   */
  readonly key?: { readonly sender: UserId; readonly messageId: MessageId };
  /** The seq of the last entry of another kind than `message` (0: none) that the caller's decision was based on. */
  readonly ifGroupSeq?: Seq;
};

export type EntryDraft = {
  readonly kind: EntryKind;
  readonly atMs: number;
  /** The entry's JSON object without `seq`; the store puts `"seq":N,` behind the opening brace. */
  readonly json: string;
};

export type AppendOutcome =
  | { readonly outcome: "appended"; readonly firstSeq: Seq; readonly lastSeq: Seq }
  | { readonly outcome: "duplicate"; readonly seq: Seq; readonly atMs: number }
  | { readonly outcome: "conflict"; readonly groupSeq: Seq };

export type EntryRange = {
  readonly conversation: ConversationId;
  readonly fromSeq: Seq;
  readonly toSeq: Seq;
  readonly charactersMax: number;
  /** Which end of the range the answer keeps if it is more than `charactersMax`; the oldest unless told. */
  readonly keep?: "oldest" | "newest";
};

export type EncodedEntry = {
  readonly seq: Seq;
  readonly kind: EntryKind;
  /** The whole JSON object, `{"seq":N,…}`, as it travels. */
  readonly json: string;
};

export type Head = {
  readonly head: Seq;
  /** The seq of the last entry that is not a message; 0 for none. It versions the membership and settings. */
  readonly groupSeq: Seq;
  /** How many of the entries are messages. */
  readonly messages: number;
};
