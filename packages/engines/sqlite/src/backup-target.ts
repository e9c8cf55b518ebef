import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** Why a backup cannot be written where it was to go, in a sentence for the operator. */
class BackupTargetError extends Error {
  override readonly name = "BackupTargetError";
}

/**
 * Where a copy of the database may be put: the path with the links of its folder followed. Throws a BackupTargetError for a
 * place that cannot take it, for any file that lies beside the database, and for a link to one: a copy that replaces the
 * database, its log or its lock while they are served loses what was acknowledged (G1).
 */
export async function checkBackupTarget(options: { file: string; to: string }): Promise<string> {
  const { file, to } = options;
  const folder = await realpath(dirname(resolve(to))).catch((cause: unknown) => {
    throw new BackupTargetError(`There is no folder ${dirname(to)} to copy into.`, { cause });
  });
  if (!(await stat(folder)).isDirectory()) throw new BackupTargetError(`${dirname(to)} is no folder to copy into.`);
  const data = await realpath(file).catch((cause: unknown) => {
    throw new BackupTargetError(`There is no database at ${file}.`, { cause });
  });
  const target = join(folder, basename(to));
  const places = [target, await realpath(target).catch(absent)].filter((path) => path !== undefined);
  const dataFolders = new Set([dirname(data), await realpath(dirname(resolve(file)))]);
  if (places.some((place) => dataFolders.has(dirname(place)))) {
    throw new BackupTargetError(`${to} lies beside the database: a backup belongs into another folder.`);
  }
  const existing = await identityOf(target);
  if (existing === undefined) return target;
  for (const own of ["", "-wal", "-shm", "-journal", ".lock"].map((suffix) => `${data}${suffix}`)) {
    if ((await identityOf(own))?.id === existing.id) {
      throw new BackupTargetError(`${to} is the same file as ${own}: a backup must be another file.`);
    }
  }
  if (!existing.isFile) throw new BackupTargetError(`${to} is no file that a backup could replace.`);
  return target;
}

/** What stays the same under every name of a file; undefined if nothing is there. */
async function identityOf(path: string): Promise<{ readonly id: string; readonly isFile: boolean } | undefined> {
  const found = await stat(path, { bigint: true }).catch(absent);
  return found && { id: `${found.dev} ${found.ino}`, isFile: found.isFile() };
}

const absent = (error: unknown): undefined => {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
};
