import { TidingsError } from "@tidings/protocol";
import { Client } from "pg";
import { connectionSettings, type EngineLog } from "./database.ts";
import { ensureEntryPartitions } from "./entry-partitions.ts";
import { isOutage, unavailable } from "./postgres-failure.ts";
import { migrations, schema } from "./schema.ts";

/** "TDNG": who changes the tables holds this advisory lock of the database. */
const migrationLock = 0x54_44_4e_47;

/**
 * Brings the tables to this program's version. Any number of processes may do so at once: one does, the others wait and find it done.
 * Rejects with `unavailable`, whose detail is a sentence for the operator, also if the tables are of a newer version.
 */
export async function migrate(url: string, log: EngineLog): Promise<void> {
  await withSetupConnection(url, async (client) => {
    await client.query("SELECT pg_advisory_lock($1)", [migrationLock]);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await client.query("CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY)");
    const version = await schemaVersion(client);
    if (version > migrations.length) throw newerSchema(version);
    for (const [index, migration] of migrations.entries()) {
      if (index < version) continue;
      await client.query("BEGIN");
      await client.query(migration);
      await client.query("INSERT INTO schema_migrations VALUES ($1)", [index + 1]);
      await client.query("COMMIT");
      log.info({ version: index + 1 }, "The tables in PostgreSQL were brought to a new version.");
    }
    await ensureEntryPartitions(client);
  });
}

/** Makes room for conversations to come; see entry-partitions.ts. Under the same lock. */
export async function makeRoom(url: string): Promise<void> {
  await withSetupConnection(url, async (client) => {
    await client.query("SELECT pg_advisory_lock($1)", [migrationLock]);
    await ensureEntryPartitions(client);
  });
}

export async function schemaVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ version: number | null }>(
    "SELECT max(version) AS version FROM schema_migrations",
  );
  return rows[0]?.version ?? 0;
}

/** A connection of its own, whose statements may take as long as they take; the lock ends with it. */
export async function withSetupConnection(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const settings = connectionSettings(url);
  const client = new Client({ ...settings, options: `${settings.options} -c statement_timeout=0`, query_timeout: 0 });
  // Whatever ends the connection also rejects the statement under way.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await work(client);
  } catch (error) {
    throw isOutage(error) ? unavailable(error) : error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const newerSchema = (version: number): TidingsError =>
  new TidingsError("unavailable", {
    detail:
      `The tables in PostgreSQL are of version ${version}, but this program knows versions up to ${migrations.length}. ` +
      "Start the newer program that made them.",
  });
