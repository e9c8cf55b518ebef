import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { applicationId, migrations, readerPragmas, writerPragmas } from "./schema.ts";
import { sqliteCode } from "./sqlite-failure.ts";

/** Why a database cannot be served, in a sentence for the operator. */
export class DatabaseRefusedError extends Error {
  override readonly name = "DatabaseRefusedError";
}

/**
 * Opens the file for writing, makes or migrates its tables, and makes sure that a commit is durable. Throws a
 * DatabaseRefusedError, or SQLite's error. The caller holds the lock (see `lockData`).
 */
export function openForWriting(file: string): DatabaseSync {
  // A new file is its owner's only: it holds password hashes. What SQLite puts beside it is made like it.
  closeSync(openSync(file, "a", 0o600));
  const db = new DatabaseSync(file, { enableForeignKeyConstraints: true });
  try {
    refuseForeignFile(db, file);
    for (const pragma of writerPragmas) db.exec(`PRAGMA ${pragma}`);
    checkDurable(db);
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

export function openForReading(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true });
  for (const pragma of readerPragmas) db.exec(`PRAGMA ${pragma}`);
  return db;
}

/**
 * Takes the data for this process, or throws a DatabaseRefusedError if another one has it. The lock is one of the
 * operating system's on a small database beside the file, so it ends with the process, however that ends.
 */
export function lockData(file: string): DatabaseSync {
  const lock = new DatabaseSync(`${file}.lock`, { timeout: 0 });
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (((sqliteCode(error) ?? 0) & 0xff) !== 5) throw error;
    throw new DatabaseRefusedError(`Another process serves ${file} already.`);
  }
}

export function numberOf(db: DatabaseSync, pragma: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
}

export function refuseForeignFile(db: DatabaseSync, file: string): void {
  const id = numberOf(db, "application_id");
  if (id === applicationId) return;
  const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() ?? {};
  if (id !== 0 || tables !== 0) throw new DatabaseRefusedError(`${file} is a database of another program.`);
}

/** What the pragmas answer, not what they were asked: a network file system can refuse WAL without an error. */
function checkDurable(db: DatabaseSync): void {
  const mode = Object.values(db.prepare("PRAGMA journal_mode").get() ?? {})[0];
  if (mode !== "wal") throw new DatabaseRefusedError(`The file system refuses write-ahead logging (it is "${mode}").`);
  const full = 2;
  if (numberOf(db, "synchronous") < full) throw new DatabaseRefusedError("Commits would not wait for the disk.");
}

export function refuseNewerVersion(db: DatabaseSync): void {
  const version = numberOf(db, "user_version");
  if (version <= migrations.length) return;
  throw new DatabaseRefusedError(
    `The database has version ${version}, this program knows versions up to ${migrations.length}: it is too old for it.`,
  );
}

function migrate(db: DatabaseSync): void {
  refuseNewerVersion(db);
  const version = numberOf(db, "user_version");
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(`${sql}; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${index + 1}; COMMIT`);
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }
}
