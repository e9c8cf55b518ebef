import type { EncodedEntry, EntryRange, Head } from "@tidings/core";
import { asSeq, type ConversationId, type Seq } from "@tidings/protocol";
import type { Committed } from "./writer.ts";

/** What is kept of recent entries: their text, and what keeping one costs beside it (G8). */
export const recentBytesMax = 32 * 1024 * 1024;
const entryOverheadBytes = 160;
/** Conversations whose heads are kept. */
const headsMax = 100_000;

/**
 * The newest entries of the conversations in which something happens, kept where they are delivered from: what was
 * appended a moment ago is asked for by every receiver. Filled by commits only, so it never holds what is not stored.
 */
export class RecentEntries {
  readonly #bytesMax: number;
  readonly #tails = new Map<ConversationId, Tail>();
  readonly #heads = new Map<ConversationId, Head>();
  /** The tails in the order in which their entries came: the first is where the oldest entry is. */
  #order: Tail[] = [];
  #orderFrom = 0;
  #bytes = 0;

  constructor(bytesMax: number = recentBytesMax) {
    this.#bytesMax = bytesMax;
  }

  note({ requests, appended }: Committed): void {
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
      if (head > 0) this.noteHead(conversation, { head: asSeq(head), groupSeq: asSeq(groupSeq), messages });
    }
    while (this.#bytes > this.#bytesMax) this.#forgetOldest();
  }

  /** The range as `MessageStore.entries` answers it, if all of it is known here. */
  entries({ conversation, fromSeq, toSeq, charactersMax }: EntryRange): readonly EncodedEntry[] | undefined {
    const tail = this.#tails.get(conversation);
    const head = this.#heads.get(conversation)?.head;
    if (head !== undefined && fromSeq > head) return [];
    if (tail === undefined || fromSeq < tail.firstSeq) return undefined;
    const found: EncodedEntry[] = [];
    let characters = 0;
    const end = Math.min(toSeq - tail.firstSeq + tail.from + 1, tail.entries.length);
    for (let at = fromSeq - tail.firstSeq + tail.from; at < end; at += 1) {
      const entry = tail.entries[at] as EncodedEntry;
      found.push(entry);
      characters += entry.json.length;
      if (characters >= charactersMax) break;
    }
    return found;
  }

  head(conversation: ConversationId): Head | undefined {
    return this.#heads.get(conversation);
  }

  /** Keeps a head; an older one than is known changes nothing. */
  noteHead(conversation: ConversationId, head: Head): void {
    const known = this.#heads.get(conversation);
    if (known !== undefined && known.head > head.head) return;
    this.#heads.delete(conversation);
    this.#heads.set(conversation, head);
    if (this.#heads.size <= headsMax) return;
    for (const oldest of this.#heads.keys()) {
      this.#heads.delete(oldest);
      break;
    }
  }

  /** The tail to which the entry with this seq is next. */
  #tailFrom(conversation: ConversationId, seq: number): Tail {
    const known = this.#tails.get(conversation);
    if (known !== undefined && known.firstSeq + known.entries.length - known.from === seq) return known;
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
    if (tail.from === tail.entries.length && this.#tails.get(tail.conversation) === tail) {
      this.#tails.delete(tail.conversation);
    }
    compact(tail);
    if (this.#orderFrom > 1_000 && this.#orderFrom * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#orderFrom);
      this.#orderFrom = 0;
    }
  }
}

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
