import { asSeq, limits, type ConversationId, type Seq } from "@tidings/protocol";
import type { EncodedEntry, EntryRange, MessageStore } from "@tidings/core";

/** What one answer to a sync may still hold, over all its conversations (G8), and whether it holds an entry already. */
export type SyncBudget = { bytes: number; isBegun: boolean };

export const newSyncBudget = (): SyncBudget => ({ bytes: limits.syncBytesMax, isBegun: false });

/** One read from the store; several of them make a long range. */
export const readCharactersMax = 256 * 1024;

/**
 * Reads the next piece of a range for a sync, of `charactersMax` or one entry: dense from fromSeq, empty if the budget is used up or
 * nothing is there. What it answers was taken from the budget. The first entry of an answer is given whatever its size, so that a
 * client gets on.
 */
export async function readWithinBudget(
  messages: MessageStore,
  range: { conversation: ConversationId; fromSeq: Seq; toSeq: Seq; charactersMax: number },
  budget: SyncBudget,
): Promise<readonly EncodedEntry[]> {
  if (budget.bytes <= 0 || range.fromSeq > range.toSeq) return [];
  const toSeq = asSeq(Math.min(range.toSeq, range.fromSeq + limits.syncEntriesMax - 1));
  const charactersMax = Math.min(budget.bytes, range.charactersMax);
  return takeWithinBudget(await messages.entries({ ...range, toSeq, charactersMax }), budget);
}

/** As much of the entries as the budget has room for, which is taken from it; of the first entry of an answer, whatever its size. */
export function takeWithinBudget(entries: readonly EncodedEntry[], budget: SyncBudget): readonly EncodedEntry[] {
  if (budget.bytes <= 0) return [];
  const { count, bytes } = withinBytes(entries, budget.bytes);
  const given = count === 0 && !budget.isBegun ? Math.min(1, entries.length) : count;
  // An entry that has no room ends the answer: what it lacks is the rest of each conversation, without holes.
  budget.bytes = given === count && given === entries.length ? budget.bytes - bytes : 0;
  budget.isBegun ||= given > 0;
  return given === entries.length ? entries : entries.slice(0, given);
}

/**
 * Reads as much of a range as an answer of its own may hold, dense, from the end that `keep` names; one entry at least, if there
 * is one.
 */
export async function readPage(
  messages: MessageStore,
  range: Omit<EntryRange, "charactersMax"> & { keep: "oldest" | "newest" },
): Promise<readonly EncodedEntry[]> {
  // A character is a byte at the least: so many characters are all that there could be room for.
  const entries = await messages.entries({ ...range, charactersMax: limits.syncBytesMax });
  const isNewest = range.keep === "newest";
  const { count } = withinBytes(isNewest ? entries.toReversed() : entries, limits.syncBytesMax);
  const given = Math.max(count, Math.min(1, entries.length));
  return isNewest ? entries.slice(entries.length - given) : entries.slice(0, given);
}

/** How many of the entries have room in so many bytes of UTF-8, with the commas between them, and what they take. */
function withinBytes(entries: readonly EncodedEntry[], bytesMax: number): { count: number; bytes: number } {
  let bytes = 0;
  for (const [count, { json }] of entries.entries()) {
    const next = bytes + Buffer.byteLength(json) + 1;
    if (next > bytesMax) return { count, bytes };
    bytes = next;
  }
  return { count: entries.length, bytes };
}
