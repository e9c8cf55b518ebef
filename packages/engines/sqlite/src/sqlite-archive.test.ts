import { archiveSourceContract, fillInstallation } from "@tidings/contract";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { identityOf } from "./archive-identity.ts";
import { openForReading } from "./open-database.ts";
import { openSqliteArchive } from "./sqlite-archive.ts";
import type { SqliteEngineOptions } from "./sqlite-engine.ts";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";

archiveSourceContract("the SQLite engine", () => openToRead());
// Every few entries are settled, so most conversations are in both tables.
archiveSourceContract("the SQLite engine that settles all the time", () =>
  openToRead({ settling: { rowsMin: 5, charactersMin: 5_000 } }),
);

/** While it is read out the engine is stopped; what it left unsettled is read as it is. */
async function openToRead(options: Partial<SqliteEngineOptions> = {}) {
  const installation = await openTemporaryEngine(options);
  return {
    get stores() {
      return installation.stores;
    },
    async identityNow() {
      const db = openForReading(installation.file);
      try {
        return identityOf(db);
      } finally {
        db.close();
      }
    },
    async read<T>(work: (archive: ReturnType<typeof openSqliteArchive>["archive"]) => Promise<T>): Promise<T> {
      // What a consumer has advanced over is on the disk then, too.
      await installation.engine.drain();
      await installation.engine.stop();
      const { archive, close } = openSqliteArchive(installation.file);
      try {
        return await work(archive);
      } finally {
        close();
        await installation.crash();
      }
    },
    close: () => installation.close(),
  };
}

describe("an archive of SQLite", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tidings-archive-"));
    file = join(folder, "tidings.db");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("is not opened where nothing is, and nothing is made there", () => {
    expect(() => openSqliteArchive(file)).toThrow(`There is no database at ${file}.`);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });

  test("is not opened while a server has the database, and keeps servers away while it is open", async () => {
    const served = await openTemporaryEngine();
    await fillInstallation(served.stores, { groups: 1, messages: 2 });
    expect(() => openSqliteArchive(served.file)).toThrow(/Another process serves .*Stop it first/);
    await served.engine.stop();
    const { close } = openSqliteArchive(served.file);
    await expect(served.crash()).rejects.toThrow("Another process serves");
    close();
    await served.crash();
    await served.close();
  });

  test("is not opened of another program's database, nor of another version", async () => {
    writeFileSync(file, "");
    const db = new DatabaseSync(file);
    db.exec("CREATE TABLE diary (text)");
    expect(() => openSqliteArchive(file)).toThrow("is a database of another program");
    db.close();
    const served = await openTemporaryEngine();
    await served.engine.stop();
    const ours = new DatabaseSync(served.file);
    for (const [version, sentence] of [
      [99, "too old for it"],
      [1, "of an older version"],
    ] as const) {
      ours.exec(`PRAGMA user_version = ${version}`);
      expect(() => openSqliteArchive(served.file)).toThrow(sentence);
    }
    ours.close();
    rmSync(served.folder, { recursive: true });
  });

  test("says that the database is damaged instead of leaving out an entry", async () => {
    const served = await openTemporaryEngine({ settling: { rowsMin: 1, charactersMin: 1 } });
    await fillInstallation(served.stores, { groups: 1, messages: 6 });
    await served.engine.stop();
    const db = new DatabaseSync(served.file);
    db.exec("DELETE FROM entries WHERE seq = 3");
    db.close();
    const { archive, close } = openSqliteArchive(served.file);
    await expect(archive.entries({ limit: 100 })).rejects.toThrow("The database is damaged");
    close();
    rmSync(served.folder, { recursive: true });
  });
});
