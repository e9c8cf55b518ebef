import type { AppendOutcome, AppendRequest } from "@tidings/core";
import type { ConversationId, Seq } from "@tidings/protocol";
import { entryKinds } from "./schema.ts";

/**
 * Many appends on their way to the writer thread. Flat arrays, because copying an object for each append between
 * threads would cost more than storing it.
 */
export type AppendBatch = {
  /** Each conversation of the batch once; the others refer to it by its index. */
  readonly conversations: readonly ConversationId[];
  /** Four numbers for each append: conversation, drafts, ifGroupSeq or -1, keyed (1) or not (0). */
  readonly appends: Float64Array;
  /** Two numbers for each draft: kind, atMs. */
  readonly drafts: Float64Array;
  /** For each append its drafts' JSON, then, if it is keyed, the sender and the message id. */
  readonly texts: readonly string[];
};

/** What became of a batch. */
export type AppendedBatch = {
  /** Three numbers for each append: outcome (0 appended, 1 duplicate, 2 conflict) and its two numbers. */
  readonly outcomes: Float64Array;
  /** Three numbers for each conversation as it now is: head, groupSeq, messages. */
  readonly heads: Float64Array;
  /** Four numbers for each change that was committed: position, conversation, fromSeq, toSeq. */
  readonly changes: Float64Array;
  /** Everything that was committed before this batch can be read from the tables (see settle-entries.ts). */
  readonly isSettled: boolean;
};

/** The memory of an answer is handed over between threads, not copied. */
export const buffersOf = ({ outcomes, heads, changes }: AppendedBatch): ArrayBuffer[] =>
  [outcomes, heads, changes].map(({ buffer }) => buffer as ArrayBuffer);

export function encodeAppends(requests: readonly AppendRequest[]): AppendBatch {
  const indexes = new Map<ConversationId, number>();
  const appends = new Float64Array(requests.length * 4);
  const drafts: number[] = [];
  const texts: string[] = [];
  let at = 0;
  for (const { conversation, drafts: own, key, ifGroupSeq } of requests) {
    const index = indexes.get(conversation) ?? indexes.size;
    indexes.set(conversation, index);
    appends[at++] = index;
    appends[at++] = own.length;
    appends[at++] = ifGroupSeq ?? -1;
    appends[at++] = key === undefined ? 0 : 1;
    for (const { kind, atMs, json } of own) {
      drafts.push(entryKinds.indexOf(kind), atMs);
      texts.push(json);
    }
    if (key !== undefined) texts.push(key.sender, key.messageId);
  }
  return { conversations: [...indexes.keys()], appends, drafts: Float64Array.from(drafts), texts };
}

/** The outcome of the append at `index` of the batch. */
export function decodeOutcome({ outcomes }: AppendedBatch, index: number): AppendOutcome {
  const [outcome, first = 0, second = 0] = outcomes.subarray(index * 3, index * 3 + 3);
  if (outcome === 0) return { outcome: "appended", firstSeq: first as Seq, lastSeq: second as Seq };
  if (outcome === 1) return { outcome: "duplicate", seq: first as Seq, atMs: second };
  return { outcome: "conflict", groupSeq: first as Seq };
}
