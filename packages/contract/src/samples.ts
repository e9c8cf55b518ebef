import type { AppendOutcome, AppendRequest, EncodedEntry, EntryDraft, MessageStore } from "@tidings/core";
import {
  asConversationId,
  asInviteId,
  asMessageId,
  asSeq,
  asTokenId,
  asUserId,
  type ConversationId,
  type InviteId,
  type MessageId,
  type Seq,
  type TokenId,
  type UserId,
} from "@tidings/protocol";

/** Names and values for cases. Nothing here is used twice, because cases share what they run on. */

let made = 0;
const next = (): string => {
  made += 1;
  return made.toString(36).padStart(6, "0");
};

export const fresh = {
  conversation: (): ConversationId => asConversationId(`g_${next()}`),
  user: (): UserId => asUserId(`u_${next()}`),
  message: (): MessageId => asMessageId(`m-${next()}`),
  token: (): TokenId => asTokenId(next()),
  invite: (): InviteId => asInviteId(next()),
  name: (): string => `name${next()}`,
};

export const messageDraft = (text = "hello", atMs = 1_000): EntryDraft => ({
  kind: "message",
  atMs,
  json: JSON.stringify({ kind: "message", at_ms: atMs, text }),
});

export const groupDraft = (atMs = 1_000): EntryDraft => ({
  kind: "group-changed",
  atMs,
  json: JSON.stringify({ kind: "group-changed", at_ms: atMs, by: "u_1" }),
});

export const messageRequest = (
  conversation: ConversationId,
  options: { sender?: UserId; messageId?: MessageId; text?: string; atMs?: number } = {},
): AppendRequest => ({
  conversation,
  key: { sender: options.sender ?? asUserId("u_1"), messageId: options.messageId ?? fresh.message() },
  drafts: [messageDraft(options.text, options.atMs)],
});

/** What a store is expected to keep of a draft. */
export const stored = (draft: EntryDraft, seq: number): EncodedEntry => ({
  seq: asSeq(seq),
  kind: draft.kind,
  json: `{"seq":${seq},${draft.json.slice(1)}`,
});

export const appended = (firstSeq: number, lastSeq = firstSeq): AppendOutcome => ({
  outcome: "appended",
  firstSeq: asSeq(firstSeq),
  lastSeq: asSeq(lastSeq),
});

/** Every entry of a conversation, read page by page. */
export async function allEntries(
  messages: MessageStore,
  conversation: ConversationId,
): Promise<readonly EncodedEntry[]> {
  const all: EncodedEntry[] = [];
  for (;;) {
    const page = await messages.entries(rangeFrom(conversation, all.length + 1));
    if (page.length === 0) return all;
    all.push(...page);
  }
}

export const rangeFrom = (conversation: ConversationId, fromSeq: number, toSeq = fromSeq + 499) => ({
  conversation,
  fromSeq: asSeq(fromSeq),
  toSeq: asSeq(toSeq),
  charactersMax: 1_000_000,
});

export const seqsOf = (entries: readonly { readonly seq: Seq }[]): readonly number[] => entries.map(({ seq }) => seq);
/** 1, 2, 3 … count. */
export const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
