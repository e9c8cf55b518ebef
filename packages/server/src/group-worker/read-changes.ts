import { asSeq, type ConversationId } from "@tidings/protocol";
import type { Change, EncodedEntry, MessageStore } from "@tidings/core";

/** `isPlain`: as of a change, of all of them. */
export type ChangedRange = Pick<Change, "conversation" | "fromSeq" | "toSeq"> & { readonly isPlain: boolean };

/** Changes of one conversation that follow each other become one range; conversations stay in the order of their first change. */
export function mergeChanges(changes: readonly Change[]): readonly ChangedRange[] {
  const ranges = new Map<ConversationId, ChangedRange>();
  for (const { conversation, fromSeq, toSeq, isPlain = false } of changes) {
    const range = ranges.get(conversation);
    if (range === undefined) {
      ranges.set(conversation, { conversation, fromSeq, toSeq, isPlain });
      continue;
    }
    ranges.set(conversation, {
      conversation,
      fromSeq: asSeq(Math.min(fromSeq, range.fromSeq)),
      toSeq: asSeq(Math.max(toSeq, range.toSeq)),
      isPlain: isPlain && range.isPlain,
    });
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
