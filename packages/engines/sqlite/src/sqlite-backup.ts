import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { backup } from "node:sqlite";
import { TidingsError } from "@tidings/protocol";
import { openForReading } from "./open-database.ts";
import { describeSqliteFailure } from "./sqlite-failure.ts";

export type BackupProgress = { readonly pagesTotal: number; readonly pagesLeft: number };

/** Pages copied at a time, between two reports of the progress. */
const pagesPerStep = 1_000;

/**
 * Copies the database as it is at this moment into a new file, while it is served, by this or by another process.
 * The copy appears under its name when it is complete and would survive the loss of power; a file of that name
 * is replaced. Rejects with `unavailable`.
 */
export async function backupSqlite(options: {
  file: string;
  to: string;
  onProgress?: (progress: BackupProgress) => void;
}): Promise<void> {
  const { file, to, onProgress } = options;
  const unfinished = `${to}.unfinished`;
  try {
    await rm(unfinished, { force: true });
    // It holds password hashes: nobody but its owner reads it, from its first byte on.
    await (await open(unfinished, "wx", 0o600)).close();
    const db = openForReading(file);
    try {
      // A read transaction holds the moment: without it every commit would make the copy begin anew.
      db.exec("BEGIN; SELECT count(*) FROM sqlite_schema");
      const progress = ({ totalPages, remainingPages }: { totalPages: number; remainingPages: number }) =>
        onProgress?.({ pagesTotal: totalPages, pagesLeft: remainingPages });
      await backup(db, unfinished, { rate: pagesPerStep, progress });
    } finally {
      db.close();
    }
    await syncPath(unfinished);
    await rename(unfinished, to);
    await syncPath(dirname(to));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw new TidingsError("unavailable", { detail: describeSqliteFailure(error).sentence, cause: error });
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
