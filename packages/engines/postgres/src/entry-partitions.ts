import type { Client } from "pg";

/**
 * The table `entries` is split by the key of the conversation, so in the order in which conversations were made (decision 17): the tables
 * `entries_0`, `entries_1` … hold so many conversations each. There are always some ahead, so that making a conversation never
 * waits for a change of tables; attaching one does not stop who reads or writes.
 */
export const conversationsPerTable = 4_000_000;
const tablesAhead = 2;

export async function ensureEntryPartitions(client: Client): Promise<void> {
  const { rows } = await client.query<{ last: number | null; newest: number | null }>(
    `SELECT (SELECT last_value FROM conversation_keys) AS last,
       (SELECT max(substring(c.relname FROM '^entries_([0-9]+)$')::bigint)
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'entries'::regclass) AS newest`,
  );
  const { last, newest } = rows[0] ?? { last: null, newest: null };
  const wanted = Math.floor(Number(last ?? 0) / conversationsPerTable) + tablesAhead;
  for (let table = newest === null ? 0 : newest + 1; table <= wanted; table += 1) {
    const [from, to] = [table * conversationsPerTable, (table + 1) * conversationsPerTable];
    await client.query("BEGIN");
    await client.query(`CREATE TABLE entries_${table} (LIKE entries INCLUDING ALL)`);
    await client.query(`ALTER TABLE entries ATTACH PARTITION entries_${table} FOR VALUES FROM (${from}) TO (${to})`);
    await client.query("COMMIT");
  }
}
