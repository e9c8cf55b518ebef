import { resolve } from "node:path";
import { findDataFolder } from "../real/data-folder.ts";
import type { Settings } from "../settings.ts";
import { checkDisk } from "./check-disk.ts";
import type { Finding } from "./finding.ts";

/** How a database file is found; see the engine. */
export type DatabaseState =
  | { readonly state: "sound" | "served" | "missing" }
  | { readonly state: "refused"; readonly sentence: string };

/** The folder of the data, its disk and the database in it. Looking makes nothing, or a mistyped --data would be in the best of health. */
export function examineEmbedded(settings: Settings, examineFile: (file: string) => DatabaseState): readonly Finding[] {
  const data = findDataFolder(settings.data);
  if (data === undefined) return [noDataFolder(settings)];
  return [...checkDisk(data.folder), checkDatabase(data.database, examineFile(data.database))];
}

export function noDataFolder({ data }: Settings): Finding {
  return { level: "bad", what: "data folder", says: `There is no data folder at ${resolve(data)}.` };
}

function checkDatabase(file: string, found: DatabaseState): Finding {
  const what = "database";
  switch (found.state) {
    case "sound":
      return {
        level: "good",
        what,
        says: "SQLite; it is served with a write-ahead log and synchronous=FULL, every commit fsynced, or not at all",
      };
    case "served":
      return { level: "note", what, says: `A process serves ${file} at this moment; it looked at it when it started.` };
    case "missing":
      return { level: "note", what, says: "There is none yet: the first start makes it." };
    case "refused":
      return { level: "bad", what, says: found.sentence };
  }
}
