import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { openForReading, refuseForeignFile, refuseNewerVersion } from "./open-database.ts";
import { describeSqliteFailure, sqliteCode } from "./sqlite-failure.ts";

/**
 * What a database is, as far as looking tells: `missing`, there is no such file; `served`, a process has it, which looked at all of
 * this when it started; `sound`, nothing here speaks against serving it; `refused`, it would not be served, with a sentence for
 * the operator. Whether the file system can keep a write-ahead log is found out by the start: only writing shows it.
 */
export type DatabaseState =
  | { readonly state: "missing" | "served" | "sound" }
  | { readonly state: "refused"; readonly sentence: string };

/** Looks at a database, and neither makes nor migrates one. Safe beside a process that serves it. */
export function examineSqlite(file: string): DatabaseState {
  if (!existsSync(file)) return { state: "missing" };
  try {
    if (isServed(file)) return { state: "served" };
    const db = openForReading(file);
    try {
      refuseForeignFile(db, file);
      refuseNewerVersion(db);
      return { state: "sound" };
    } finally {
      db.close();
    }
  } catch (error) {
    return { state: "refused", sentence: describeSqliteFailure(error).sentence };
  }
}

/** Does a process hold the lock (see `lockData`)? Asked by reading, which takes no lock that stays. */
function isServed(file: string): boolean {
  const lock = `${file}.lock`;
  if (!existsSync(lock)) return false;
  const db = new DatabaseSync(lock, { readOnly: true, timeout: 0 });
  try {
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    if (((sqliteCode(error) ?? 0) & 0xff) === sqliteBusy) return true;
    throw error;
  } finally {
    db.close();
  }
}

const sqliteBusy = 5;
