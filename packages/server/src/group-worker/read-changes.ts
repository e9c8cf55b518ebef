import { asSeq, type ConversationId, type Seq } from "@tidings/protocol";
import type { Change, EncodedEntry, MessageStore } from "@tidings/core";

export type ChangedRange = { readonly conversation: ConversationId; readonly fromSeq: Seq; readonly toSeq: Seq };

/** Changes of one conversation that follow each other become one range; conversations stay in the order of their first change. */
export function mergeChanges(changes: readonly Change[]): readonly ChangedRange[] {
  const ranges = new Map<ConversationId, ChangedRange>();
  for (const { conversation, fromSeq, toSeq } of changes) {
    const range = ranges.get(conversation);
    const joined = {
      conversation,
      fromSeq: range === undefined || fromSeq < range.fromSeq ? fromSeq : range.fromSeq,
      toSeq,
    };
    ranges.set(conversation, range !== undefined && range.toSeq > toSeq ? { ...joined, toSeq: range.toSeq } : joined);
  }
  return [...ranges.values()];
}

/** The entries of a range, in pieces of bounded size. */
export async function* readPieces(
  messages: MessageStore,
  range: ChangedRange,
): AsyncGenerator<readonly EncodedEntry[], void, undefined> {
  let { fromSeq } = range;
  while (fromSeq <= range.toSeq) {
    const entries = await messages.entries({ ...range, fromSeq, charactersMax: pieceCharactersMax });
    const last = entries.at(-1);
    if (last === undefined) return;
    yield entries;
    fromSeq = asSeq(last.seq + 1);
  }
}

const pieceCharactersMax = 256 * 1024;
