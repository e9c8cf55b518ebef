import type { AppendOutcome, AppendRequest, EncodedEntry, Head } from "@tidings/core";
import { asSeq, type ConversationId, type Seq } from "@tidings/protocol";
import { appended, stored } from "./samples.ts";

/** What a MessageStore is to its callers, said as shortly as can be: a list for each conversation, searched from its beginning. */
export class MessageStoreModel {
  readonly #lists = new Map<ConversationId, Kept[]>();

  append({ conversation, drafts, key, ifGroupSeq }: AppendRequest): AppendOutcome {
    const list = this.#lists.get(conversation) ?? [];
    const name = key && `${key.sender} ${key.messageId}`;
    const original = list.find((kept) => name !== undefined && kept.name === name);
    if (original !== undefined) return { outcome: "duplicate", seq: original.entry.seq, atMs: original.atMs };
    const groupSeq = groupSeqOf(list);
    if (ifGroupSeq !== undefined && ifGroupSeq !== groupSeq) return { outcome: "conflict", groupSeq };
    this.#lists.set(conversation, list);
    const first = list.length + 1;
    for (const draft of drafts) list.push({ entry: stored(draft, list.length + 1), atMs: draft.atMs, name });
    return appended(first, list.length);
  }

  entries(conversation: ConversationId): readonly EncodedEntry[] {
    return (this.#lists.get(conversation) ?? []).map(({ entry }) => entry);
  }

  head(conversation: ConversationId): Head | undefined {
    const list = this.#lists.get(conversation);
    if (list === undefined) return undefined;
    const messages = list.filter(({ entry }) => entry.kind === "message").length;
    return { head: asSeq(list.length), groupSeq: groupSeqOf(list), messages };
  }
}

type Kept = { readonly entry: EncodedEntry; readonly atMs: number; readonly name: string | undefined };

const groupSeqOf = (list: readonly Kept[]): Seq =>
  list.findLast(({ entry }) => entry.kind !== "message")?.entry.seq ?? asSeq(0);
