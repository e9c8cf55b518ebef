import type { EncodedEntry, EntryRange, Head } from "@tidings/core";
import { asSeq, type ConversationId, type Seq } from "@tidings/protocol";
import type { Committed } from "./writer.ts";

/**
 * What is kept of recent entries: their text, and what keeping one costs beside it (G8). More than can be unsettled at a
 * time (see settle-entries.ts): two times 8 MiB of text in 20,480 entries.
 */
export const recentBytesMax = 32 * 1024 * 1024;
const entryOverheadBytes = 160;
/** Conversations whose heads are kept. */
const headsMax = 100_000;

/**
 * The newest entries of the conversations in which something happens, kept where they are delivered from: what was
 * appended a moment ago is asked for by every receiver. Filled by commits only, so it never holds what is not stored.
 * It always holds what is not settled yet: whatever is not here can be read from the tables.
 */
export class RecentEntries {
  readonly #bytesMax: number;
  readonly #tails = new Map<ConversationId, Tail>();
  readonly #heads = new Map<ConversationId, Head>();
  /** The tails in the order in which their entries came: the first is where the oldest entry is. */
  #order: Tail[] = [];
  #orderFrom = 0;
  /** Entries from this index of the order on are not settled. */
  #unsettledFrom = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  note({ requests, appended }: Committed): void {
    if (appended.isSettled) this.#unsettledFrom = this.#order.length;
    const { outcomes, heads } = appended;
    const indexes = new Map<ConversationId, number>();
    for (const [index, { conversation, drafts }] of requests.entries()) {
      if (!indexes.has(conversation)) indexes.set(conversation, indexes.size);
      if (outcomes[index * 3] !== 0) continue;
      let seq = outcomes[index * 3 + 1] ?? 0;
      const tail = this.#tailFrom(conversation, seq);
      for (const { kind, json } of drafts) {
        this.#push(tail, { seq: asSeq(seq), kind, json: `{"seq":${seq},${json.slice(1)}` });
        seq += 1;
      }
    }
    for (const [conversation, index] of indexes) {
      const [head = 0, groupSeq = 0, messages = 0] = heads.subarray(index * 3, index * 3 + 3);
      if (head > 0) this.#noteHead(conversation, { head: asSeq(head), groupSeq: asSeq(groupSeq), messages });
    }
    while (this.#bytes > this.#bytesMax && this.#orderFrom < this.#unsettledFrom) this.#forgetOldest();
  }

  /** What is known here of a range, as the port's `entries` says; undefined: nothing, all of it has to be read from the tables. */
  entries(range: EntryRange): KnownEntries | undefined {
    const tail = this.#tails.get(range.conversation);
    if (tail === undefined) return undefined;
    const from = asSeq(Math.max(range.fromSeq, tail.firstSeq));
    const offset = tail.from - tail.firstSeq;
    const start = from + offset;
    const end = Math.min(range.toSeq + offset + 1, tail.entries.length);
    const entries: EncodedEntry[] = [];
    let characters = 0;
    const isDescending = range.keep === "newest";
    for (let count = 0; start + count < end && characters < range.charactersMax; count += 1) {
      const entry = tail.entries[isDescending ? end - 1 - count : start + count] as EncodedEntry;
      entries.push(entry);
      characters += entry.json.length;
    }
    return { from, entries: isDescending ? entries.reverse() : entries };
  }

  head(conversation: ConversationId): Head | undefined {
    return this.#heads.get(conversation);
  }

  /** How many of the entries 1 … seq are messages, if the entry at `seq` is known here and the head is. */
  messagesUpTo(conversation: ConversationId, seq: Seq): number | undefined {
    const head = this.#heads.get(conversation);
    const tail = this.#tails.get(conversation);
    if (head === undefined) return undefined;
    if (seq >= head.head) return head.messages;
    if (tail === undefined || seq < tail.firstSeq) return undefined;
    let after = 0;
    for (let at = seq - tail.firstSeq + tail.from + 1; at < tail.entries.length; at += 1) {
      if (tail.entries[at]?.kind === "message") after += 1;
    }
    return head.messages - after;
  }

  #noteHead(conversation: ConversationId, head: Head): void {
    this.#heads.delete(conversation);
    this.#heads.set(conversation, head);
    if (this.#heads.size <= headsMax) return;
    for (const oldest of this.#heads.keys()) {
      // The head of a conversation with a tail is needed to count its messages.
      if (this.#tails.has(oldest)) continue;
      this.#heads.delete(oldest);
      break;
    }
  }

  /** The tail to which the entry with this seq is next. */
  #tailFrom(conversation: ConversationId, seq: number): Tail {
    const known = this.#tails.get(conversation);
    if (known !== undefined) return known;
    const tail: Tail = { conversation, firstSeq: asSeq(seq), entries: [], from: 0 };
    this.#tails.set(conversation, tail);
    return tail;
  }

  #push(tail: Tail, entry: EncodedEntry): void {
    tail.entries.push(entry);
    this.#order.push(tail);
    this.#bytes += entry.json.length + entryOverheadBytes;
  }

  #forgetOldest(): void {
    const tail = this.#order[this.#orderFrom] as Tail;
    this.#orderFrom += 1;
    const entry = tail.entries[tail.from] as EncodedEntry;
    this.#bytes -= entry.json.length + entryOverheadBytes;
    tail.from += 1;
    tail.firstSeq = asSeq(entry.seq + 1);
    if (tail.from === tail.entries.length) this.#tails.delete(tail.conversation);
    compact(tail);
    if (this.#orderFrom < 1_000 || this.#orderFrom * 2 < this.#order.length) return;
    this.#order = this.#order.slice(this.#orderFrom);
    this.#unsettledFrom -= this.#orderFrom;
    this.#orderFrom = 0;
  }
}

/** The entries that are known, and the first seq of the range that is: what comes before it has to be read from the tables. */
export type KnownEntries = { readonly from: Seq; readonly entries: readonly EncodedEntry[] };

type Tail = {
  readonly conversation: ConversationId;
  /** The seq of the entry at index `from`; what is before that index is forgotten. */
  firstSeq: Seq;
  entries: EncodedEntry[];
  from: number;
};

/** Half of the array at the most is what is forgotten, so that moving the rest costs each entry once. */
function compact(tail: Tail): void {
  if (tail.from * 2 <= tail.entries.length) return;
  tail.entries = tail.entries.slice(tail.from);
  tail.from = 0;
}
