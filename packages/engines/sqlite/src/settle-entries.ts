import type { DatabaseSync } from "node:sqlite";

/**
 * Entries are stored twice, so that each commit is small. A commit of a hundred messages to a hundred conversations, put
 * where they belong, would touch a page of `entries` and a page of `message_keys` for each message, and SQLite writes whole
 * pages. So a commit puts them one behind the other into `recent_entries`, some pages in all; and from time to time one
 * transaction settles what has come together: sorted, so that each page is touched once for all that belongs there.
 *
 * What is not settled is known to the threads that need it: the writer thread keeps the keys, the calling side the
 * entries (see recent-entries.ts). Opening the database settles what the last process left.
 */
export const settlingDefaults = { rowsMin: 16_384, charactersMin: 8 * 1024 * 1024 };

/** So many recent entries, or so much text in them, are settled. */
export type Settling = { readonly rowsMin: number; readonly charactersMin: number };

/** Moves all recent entries where they belong; to be called inside of a transaction. */
export function createSettler(db: DatabaseSync): () => void {
  const statements = [
    `INSERT INTO entries SELECT conversation_key, seq, kind, at_ms, messages, json FROM recent_entries
     ORDER BY conversation_key, seq`,
    `INSERT INTO message_keys SELECT conversation_key, sender, message_id, seq FROM recent_entries
     WHERE message_id IS NOT NULL ORDER BY conversation_key, sender, message_id`,
    "DELETE FROM recent_entries",
  ].map((sql) => db.prepare(sql));
  return () => {
    for (const statement of statements) statement.run();
  };
}
