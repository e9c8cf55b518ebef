import { ArchiveRefusedError } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { Client } from "pg";
import { connectionSettings } from "./database.ts";
import { sqlState, unavailable } from "./postgres-failure.ts";

/** Advisory locks of the database: who copies an installation into it, and what he writes. */
const copierLock = 0x54_44_4e_48;
export const writesLock = 0x54_44_4e_49;

/** Whoever was ended a moment ago holds it until the server has noticed. */
const waitMsMax = 10_000;
const lockNotAvailable = "55P03";

export type ArchiveLock = {
  /** Throws `unavailable` if it was lost with its connection. */
  check(): void;
  release(): Promise<void>;
};

/** The right to copy into the database, which one process has at a time, and which ends with it. */
export async function takeArchiveLock(url: string): Promise<ArchiveLock> {
  const settings = connectionSettings(url);
  const options = `${settings.options} -c lock_timeout=${waitMsMax} -c statement_timeout=0`;
  const client = new Client({ ...settings, options, query_timeout: 0 });
  let isLost = false;
  const lose = (): void => {
    isLost = true;
  };
  client.on("error", lose).on("end", lose);
  try {
    await client.connect();
    await client.query("SELECT pg_advisory_lock($1)", [copierLock]);
  } catch (error) {
    await client.end().catch(lose);
    if (sqlState(error) !== lockNotAvailable) throw unavailable(error);
    throw new ArchiveRefusedError("Another migration into this database is under way.");
  }
  return {
    check() {
      if (!isLost) return;
      throw new TidingsError("unavailable", { detail: "The connection to PostgreSQL that holds the lock was lost." });
    },
    release: () => client.end(),
  };
}
