import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageDraft } from "@tidings/contract";
import { createManualClock } from "@tidings/core";
import { asConversationId, asSeq, type TidingsError } from "@tidings/protocol";
import { afterEach, expect, test } from "vitest";
import { backupSqlite } from "./sqlite-backup.ts";
import { openSqliteEngine, type SqliteEngineOptions } from "./sqlite-engine.ts";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";

const clock = createManualClock();
const conversation = asConversationId("g_a");
const message = { conversation, drafts: [messageDraft()] };
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** An engine, and a folder elsewhere for its copies. */
async function open(options: Partial<SqliteEngineOptions> = {}) {
  const opened = await openTemporaryEngine(options);
  const elsewhere = mkdtempSync(join(tmpdir(), "tidings-backup-"));
  closing.push(async () => {
    await opened.close();
    rmSync(elsewhere, { recursive: true });
  });
  return { ...opened, elsewhere };
}

const refusal = (promise: Promise<unknown>): Promise<TidingsError> =>
  promise.then(
    () => expect.unreachable("It was not refused."),
    (error: TidingsError) => error,
  );

test("copies a state in which everything acknowledged before is, while others write", async () => {
  const { stores, engine, elsewhere } = await open({ settling: { rowsMin: 50, charactersMin: 100_000 } });
  let isWriting = true;
  const write = async (): Promise<void> => {
    while (isWriting) await stores.messages.append(message);
  };
  const writing = Array.from({ length: 10 }, write);
  await Promise.all(Array.from({ length: 300 }, () => stores.messages.append(message)));
  const before = (await stores.messages.heads([conversation])).get(conversation)?.head ?? 0;
  const to = join(elsewhere, "copy.db");
  writeFileSync(to, "an older copy");
  const reports: number[] = [];
  await engine.backup(to, ({ pagesTotal }) => reports.push(pagesTotal));
  isWriting = false;
  await Promise.all(writing);

  expect(statSync(to).mode & 0o777).toBe(0o600);
  const copy = await openSqliteEngine({ file: to, clock });
  const head = (await copy.stores.messages.heads([conversation])).get(conversation)?.head ?? 0;
  const range = { conversation, fromSeq: asSeq(1), toSeq: asSeq(1_000_000), charactersMax: 10_000_000 };
  const entries = await copy.stores.messages.entries(range);
  await copy.stop();
  expect(head).toBeGreaterThanOrEqual(before);
  expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, index) => index + 1));
});

test.each(["tidings.db", "tidings.db-wal", "tidings.db-shm", "tidings.db.lock", "another.db"])(
  "refuses to put a copy into the data folder as %s, whatever the path looks like",
  async (name) => {
    const { engine, stores, folder, elsewhere } = await open();
    await stores.messages.append(message);
    symlinkSync(folder, join(elsewhere, "detour"));
    for (const to of [join(folder, name), join(elsewhere, "detour", name)]) {
      const inode = existsSync(to) ? statSync(to).ino : undefined;
      const error = await refusal(engine.backup(to));
      expect(error.message).toBe(`${to} lies beside the database: a backup belongs into another folder.`);
      expect(existsSync(to) ? statSync(to).ino : undefined).toBe(inode);
    }
    expect(await stores.messages.append(message)).toMatchObject({ outcome: "appended", firstSeq: 2 });
  },
);

test("refuses links to the database, symbolic and hard, and leaves them as they are", async () => {
  const { engine, file, elsewhere } = await open();
  const [symbolic, hard] = [join(elsewhere, "symbolic.db"), join(elsewhere, "hard.db")];
  symlinkSync(file, symbolic);
  linkSync(file, hard);
  expect((await refusal(engine.backup(symbolic))).message).toContain("lies beside the database");
  expect((await refusal(engine.backup(hard))).message).toBe(
    `${hard} is the same file as ${file}: a backup must be another file.`,
  );
  expect(statSync(hard).ino).toBe(statSync(file).ino);
});

test("a database that is reached by a link is protected where it is, too", async () => {
  const { file, folder, elsewhere } = await open();
  const link = join(elsewhere, "tidings.db");
  symlinkSync(file, link);
  for (const to of [link, file, join(folder, "tidings.db-wal")]) {
    expect((await refusal(backupSqlite({ file: link, to }))).message).toContain("lies beside the database");
  }
});

test("says in a sentence why it could not copy, and leaves nothing behind", async () => {
  const { engine, elsewhere } = await open();
  const nowhere = join(elsewhere, "nope");
  const error = await refusal(engine.backup(join(nowhere, "copy.db")));
  expect(error.code).toBe("unavailable");
  expect(error.message).toBe(`There is no folder ${nowhere} to copy into.`);

  const notes = join(elsewhere, "notes");
  writeFileSync(notes, "Dear diary");
  expect((await refusal(engine.backup(join(notes, "copy.db")))).message).toContain(`${notes} is no folder`);
  mkdirSync(join(elsewhere, "folder"));
  expect((await refusal(engine.backup(join(elsewhere, "folder")))).message).toContain("is no file");
  const missing = join(elsewhere, "missing.db");
  const to = join(elsewhere, "copies", "copy.db");
  mkdirSync(join(elsewhere, "copies"));
  expect((await refusal(backupSqlite({ file: missing, to }))).message).toBe(`There is no database at ${missing}.`);
  expect(readdirSync(elsewhere).sort()).toEqual(["copies", "folder", "notes"]);
  expect(readFileSync(notes, "utf8")).toBe("Dear diary");
});
