import { asSeq, type Seq } from "@tidings/protocol";
import type { EncodedEntry } from "@tidings/core";

/**
 * What arrived of a conversation lately, kept while syncs of it are under way: dense, up to the last entry that arrived. A sync that has
 * read what was stored before goes on from here without reading again. If it read on instead, a head that moves would keep it from ever
 * coming to the end where the databases are slow, and the more syncs read on, the slower they are.
 */
export class ArrivalTail {
  #entries: EncodedEntry[] = [];
  #characters = 0;
  #endSeq: Seq;
  holders = 0;

  /** It begins behind this one. */
  constructor(arrivedSeq: Seq) {
    this.#endSeq = arrivedSeq;
  }

  /** The last seq before it. */
  get beforeSeq(): Seq {
    return asSeq(this.#endSeq - this.#entries.length);
  }

  /** The entry follows the last one. */
  add(entry: EncodedEntry): void {
    this.#entries.push(entry);
    this.#characters += entry.json.length;
    this.#endSeq = entry.seq;
    if (this.#entries.length > entriesMax || this.#characters > charactersMax) this.#forgetOldest();
  }

  /** Begins anew behind entries that did not come by here. */
  jumpTo(seq: Seq): void {
    this.#entries = [];
    this.#characters = 0;
    this.#endSeq = seq;
  }

  /** What follows this seq, which is one of its own or the one before it. */
  after(seq: Seq): readonly EncodedEntry[] {
    return this.#entries.slice(seq - this.beforeSeq);
  }

  /** Half of what there is room for stays: who is only a little behind still finds its place. */
  #forgetOldest(): void {
    let count = 0;
    for (const { json } of this.#entries) {
      if (this.#entries.length - count <= entriesMax / 2 && this.#characters <= charactersMax / 2) break;
      this.#characters -= json.length;
      count += 1;
    }
    this.#entries.splice(0, count);
  }
}

/** Of one conversation, and only while somebody syncs it. */
const entriesMax = 1_000;
const charactersMax = 512 * 1024;
