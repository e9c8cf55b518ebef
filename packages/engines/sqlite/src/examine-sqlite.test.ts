import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageDraft } from "@tidings/contract";
import { asConversationId } from "@tidings/protocol";
import { afterEach, expect, test } from "vitest";
import { examineSqlite } from "./examine-sqlite.ts";
import { numberOf } from "./open-database.ts";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function open() {
  const opened = await openTemporaryEngine();
  closing.push(() => opened.close());
  return opened;
}

test("tells whether a database is there, served, or sound, and does not hinder its next server", async () => {
  const { folder, file, engine, crash } = await open();
  const other = join(folder, "other.db");
  expect(examineSqlite(other)).toEqual({ state: "missing" });
  expect(existsSync(other)).toBe(false);
  await engine.stores.messages.append({ conversation: asConversationId("g_a"), drafts: [messageDraft()] });
  expect(examineSqlite(file)).toEqual({ state: "served" });
  await engine.stop();
  expect(examineSqlite(file)).toEqual({ state: "sound" });
  await crash();
  expect(examineSqlite(file)).toEqual({ state: "served" });
});

test("an empty file is one that the first start fills, and stays empty", async () => {
  const { folder } = await open();
  const file = join(folder, "empty.db");
  writeFileSync(file, "");
  expect(examineSqlite(file)).toEqual({ state: "sound" });
  expect(readdirSync(folder)).not.toContain("empty.db.lock");
});

test("refuses what a server would refuse, and leaves it as it is", async () => {
  const { folder, file, engine } = await open();
  await engine.stop();
  const db = new DatabaseSync(file);
  db.exec("PRAGMA user_version = 999");
  db.close();
  expect(examineSqlite(file)).toMatchObject({ state: "refused", sentence: expect.stringContaining("version 999") });
  const again = new DatabaseSync(file);
  expect(numberOf(again, "user_version")).toBe(999);
  again.close();

  const foreign = join(folder, "foreign.db");
  const recipes = new DatabaseSync(foreign);
  recipes.exec("CREATE TABLE recipes (title TEXT)");
  recipes.close();
  const sentence = `${foreign} is a database of another program.`;
  expect(examineSqlite(foreign)).toEqual({ state: "refused", sentence });
});
