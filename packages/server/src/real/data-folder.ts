import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** Where an installation keeps its data: readable by its own user only. */
export type DataFolder = { readonly folder: string; readonly database: string };

/** Makes the folder if it is missing, mode 0700. Throws the file system's error. */
export function openDataFolder(folder: string): DataFolder {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return { folder, database: join(folder, "tidings.db") };
}
