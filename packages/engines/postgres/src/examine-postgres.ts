import { Client } from "pg";
import { connectionSettings } from "./database.ts";
import { isHalfCopied } from "./half-copied.ts";
import { isOutage, unavailable } from "./postgres-failure.ts";
import { migrations, schema } from "./schema.ts";

/** What a PostgreSQL server says of itself to this role in this database. Whether that is good is for the reader to judge. */
export type PostgresExamination = {
  /** As it writes it, and as a number: 150018 is 15.18. */
  readonly version: string;
  readonly versionNumber: number;
  /** `on`, `off`; of `synchronous_commit` also `local`, `remote_write`, `remote_apply`. As this role gets it in this database. */
  readonly fsync: string;
  readonly synchronousCommit: string;
  readonly fullPageWrites: string;
  readonly walLevel: string;
  readonly replicationSlotsMax: number;
  readonly replicationSlotsUsed: number;
  /** Slots that nobody reads at the moment, and the bytes of write-ahead log that the server keeps for each. */
  readonly idleSlots: readonly { readonly name: string; readonly keptBytes: number }[];
  readonly connectionsMax: number;
  readonly connectionsUsed: number;
  /** Empty: no standby has to have a commit before it is acknowledged. */
  readonly synchronousStandbyNames: string;
  /** A standby: it takes no writes. */
  readonly isInRecovery: boolean;
  /** May this role read the change feed? */
  readonly mayReplicate: boolean;
  /** 0: there are no tables of ours. */
  readonly schemaVersion: number;
  /** The newest that this program knows. */
  readonly schemaVersionKnown: number;
  /** An installation is copied in, and not all of it is there: no machine serves it. */
  readonly isHalfCopied: boolean;
  /** The server's wall clock, milliseconds since 1970 UTC. */
  readonly clockMs: number;
};

/** Looks at a server, and changes nothing. Rejects with `unavailable` if it does not answer or refuses us. */
export async function examinePostgres(url: string): Promise<PostgresExamination> {
  const client = new Client(connectionSettings(url));
  // Whatever ends the connection also rejects the question under way.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<
      Omit<PostgresExamination, "idleSlots" | "isHalfCopied"> & { readonly idleSlots: string }
    >(examine);
    const [found] = rows;
    if (found === undefined) throw new Error("PostgreSQL answered with nothing.");
    // Our types leave JSON as the text that it is.
    const idleSlots = JSON.parse(found.idleSlots) as PostgresExamination["idleSlots"];
    const schemaVersion = await schemaVersionOf(client);
    const halfCopied = (await isTableThere(client, "archive_source")) && (await isHalfCopied(client));
    return { ...found, idleSlots, schemaVersion, schemaVersionKnown: migrations.length, isHalfCopied: halfCopied };
  } catch (error) {
    throw isOutage(error) ? unavailable(error) : error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function isTableThere(client: Client, table: string): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(
    `SELECT to_regclass('${schema}.${table}') IS NOT NULL AS exists`,
  );
  return rows[0]?.exists === true;
}

async function schemaVersionOf(client: Client): Promise<number> {
  if (!(await isTableThere(client, "schema_migrations"))) return 0;
  const { rows } = await client.query<{ version: number | null }>(
    "SELECT max(version) AS version FROM schema_migrations",
  );
  return rows[0]?.version ?? 0;
}

const examine = `SELECT
  current_setting('server_version') AS version,
  current_setting('server_version_num')::integer AS "versionNumber",
  current_setting('fsync') AS fsync,
  current_setting('synchronous_commit') AS "synchronousCommit",
  current_setting('full_page_writes') AS "fullPageWrites",
  current_setting('wal_level') AS "walLevel",
  current_setting('max_replication_slots')::integer AS "replicationSlotsMax",
  (SELECT count(*) FROM pg_replication_slots) AS "replicationSlotsUsed",
  (SELECT coalesce(json_agg(json_build_object('name', slot_name, 'keptBytes', pg_wal_lsn_diff(
      CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::bigint)), '[]')
    FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL) AS "idleSlots",
  current_setting('max_connections')::integer AS "connectionsMax",
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS "connectionsUsed",
  current_setting('synchronous_standby_names') AS "synchronousStandbyNames",
  pg_is_in_recovery() AS "isInRecovery",
  (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS "mayReplicate",
  floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "clockMs"`;
