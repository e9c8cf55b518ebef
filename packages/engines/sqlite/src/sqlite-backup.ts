import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { backup } from "node:sqlite";
import { TidingsError } from "@tidings/protocol";
import { checkBackupTarget } from "./backup-target.ts";
import { openForReading } from "./open-database.ts";
import { describeSqliteFailure } from "./sqlite-failure.ts";

export type BackupProgress = { readonly pagesTotal: number; readonly pagesLeft: number };

/** Pages copied at a time, between two reports of the progress. */
const pagesPerStep = 1_000;

/**
 * Copies the database as it is at this moment into a new file, while it is served, by this or by another process.
 * The copy appears under its name when it is complete and would survive the loss of power; a file of that name
 * is replaced. Rejects with `unavailable`, whose detail is a sentence for the operator, also if the file is one that lies
 * beside the database or is the database under another name: then nothing was touched.
 */
export async function backupSqlite(options: {
  file: string;
  to: string;
  onProgress?: (progress: BackupProgress) => void;
}): Promise<void> {
  const { file, onProgress } = options;
  let unfinished: string | undefined;
  try {
    const to = await checkBackupTarget(options);
    unfinished = `${to}.unfinished`;
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
    // Why the copy failed matters more than that its remains could not be removed.
    if (unfinished !== undefined) await rm(unfinished, { force: true }).catch(() => undefined);
    throw new TidingsError("unavailable", { detail: sentenceOf(error, options.to), cause: error });
  }
}

/** What the file system refuses is said with the name that the operator gave, not with that of the unfinished copy. */
function sentenceOf(error: unknown, to: string): string {
  const code = error instanceof Error && "syscall" in error && "code" in error ? String(error.code) : undefined;
  if (code === undefined) return describeSqliteFailure(error).sentence;
  return `The backup ${to} cannot be written: ${refusals[code] ?? code}.`;
}

const refusals: Readonly<Record<string, string>> = {
  EACCES: "we may not write in its folder",
  EPERM: "we may not write in its folder",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENAMETOOLONG: "its name is too long",
};

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
