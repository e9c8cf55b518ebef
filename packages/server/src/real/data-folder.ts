import { chmodSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Where an installation keeps its data: readable by its own user only. */
export type DataFolder = { readonly folder: string; readonly database: string };

/** Makes the folder if it is missing, mode 0700. Throws the file system's error. */
export function openDataFolder(folder: string): DataFolder {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return namesIn(folder);
}

/** The folder as it is, for who only looks at it: nothing is made or changed. Undefined if there is none. */
export function findDataFolder(folder: string): DataFolder | undefined {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() ? namesIn(folder) : undefined;
}

const namesIn = (folder: string): DataFolder => ({ folder, database: join(folder, "tidings.db") });
