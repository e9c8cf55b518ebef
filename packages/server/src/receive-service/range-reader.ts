import { asSeq, limits, type ConversationId, type Seq } from "@tidings/protocol";
import type { EncodedEntry, MessageStore } from "@tidings/core";

/** What one answer to a sync may still hold, over all its conversations (G8). */
export type SyncBudget = { characters: number };

export const newSyncBudget = (): SyncBudget => ({ characters: limits.syncBytesMax });

/** One read from the store; several of them make a long range. */
export const readCharactersMax = 256 * 1024;

/**
 * Reads the next piece of a range for a sync, of `charactersMax` or one entry: dense from fromSeq, empty if the budget is used up or nothing is there. What it
 * answers was taken from the budget.
 */
export async function readWithinBudget(
  messages: MessageStore,
  range: { conversation: ConversationId; fromSeq: Seq; toSeq: Seq; charactersMax: number },
  budget: SyncBudget,
): Promise<readonly EncodedEntry[]> {
  if (budget.characters <= 0 || range.fromSeq > range.toSeq) return [];
  const toSeq = asSeq(Math.min(range.toSeq, range.fromSeq + limits.syncEntriesMax - 1));
  const charactersMax = Math.min(budget.characters, range.charactersMax);
  const entries = await messages.entries({ ...range, toSeq, charactersMax });
  for (const entry of entries) budget.characters -= entry.json.length;
  return entries;
}
