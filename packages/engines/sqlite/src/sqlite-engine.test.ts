import { openSync, readFileSync, writeFileSync, writeSync, closeSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { messageDraft } from "@tidings/contract";
import { createManualClock, InvariantError, type AppendRequest } from "@tidings/core";
import { asConversationId, asMessageId, asSeq, asTokenId, asUserId, type TidingsError } from "@tidings/protocol";
import { afterEach, describe, expect, test } from "vitest";
import { numberOf, openForReading, openForWriting } from "./open-database.ts";
import { migrations } from "./schema.ts";
import { openSqliteEngine, type SqliteEngineOptions } from "./sqlite-engine.ts";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";
import { waitingWritesMax } from "./writer.ts";

const clock = createManualClock();
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function open(options: Partial<SqliteEngineOptions> = {}) {
  const opened = await openTemporaryEngine(options);
  closing.push(() => opened.close());
  return opened;
}

const conversation = asConversationId("g_a");
let made = 0;
const request = (options: Partial<AppendRequest> & { text?: string } = {}): AppendRequest => {
  made += 1;
  return {
    conversation,
    key: { sender: asUserId("u_1"), messageId: asMessageId(`m-${made}`) },
    drafts: [messageDraft(options.text ?? "hello")],
    ...options,
  };
};
const refusal = (promise: Promise<unknown>): Promise<TidingsError> =>
  promise.then(
    () => expect.unreachable("It was not refused."),
    (error: TidingsError) => error,
  );

describe("opening", () => {
  test("asserts that a commit waits for the disk (G1)", async () => {
    const { folder } = await open();
    const db = openForWriting(join(folder, "other.db"));
    expect(numberOf(db, "synchronous")).toBe(2);
    expect(db.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    expect(numberOf(db, "user_version")).toBe(migrations.length);
    db.close();
  });

  test("makes a file that only its owner reads", async () => {
    const { file } = await open();
    for (const path of [file, `${file}-wal`]) expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("refuses data that is served already, until that ends", async () => {
    const { file, engine } = await open();
    const error = await refusal(openSqliteEngine({ file, clock }));
    expect(error.code).toBe("unavailable");
    expect(error.message).toBe(`Another process serves ${file} already.`);
    await engine.stop();
    const next = await openSqliteEngine({ file, clock });
    await next.stop();
  });

  test("refuses a database of a newer version, and leaves it as it is", async () => {
    const { folder, file, engine } = await open();
    await engine.stop();
    const db = new DatabaseSync(file);
    db.exec("PRAGMA user_version = 999");
    db.close();
    const { message } = await refusal(openSqliteEngine({ file, clock }));
    expect(message).toContain("version 999");
    expect(statSync(folder).isDirectory()).toBe(true);
    const again = new DatabaseSync(file);
    expect(numberOf(again, "user_version")).toBe(999);
    again.close();
  });

  test("refuses a database of another program", async () => {
    const { folder } = await open();
    const file = join(folder, "foreign.db");
    const db = new DatabaseSync(file);
    db.exec("CREATE TABLE recipes (title TEXT)");
    db.close();
    const { message } = await refusal(openSqliteEngine({ file, clock }));
    expect(message).toBe(`${file} is a database of another program.`);
  });

  test("refuses what is no database, and a place where none can be made", async () => {
    const { folder } = await open();
    const file = join(folder, "notes.txt");
    writeFileSync(file, "Dear diary, ".repeat(1_000));
    expect((await refusal(openSqliteEngine({ file, clock }))).message).toContain("not an SQLite database");
    expect(readFileSync(file, "utf8")).toContain("Dear diary");
    const nowhere = join(folder, "no", "such", "folder", "tidings.db");
    expect((await refusal(openSqliteEngine({ file: nowhere, clock }))).message).toContain("cannot be opened");
  });
});

describe("writing", () => {
  test("commits in groups what arrives while a commit is under way", async () => {
    const { engine } = await open();
    await Promise.all(Array.from({ length: 1_000 }, () => engine.stores.messages.append(request())));
    expect(engine.stats.appends).toBe(1_000);
    expect(engine.stats.commits).toBeLessThanOrEqual(3);
  });

  test("refuses, with a time to come back, what would wait beyond the bound (G8)", async () => {
    const { engine } = await open();
    const appends = Array.from({ length: waitingWritesMax + 1 }, () => engine.stores.messages.append(request()));
    const last = await refusal(appends.at(-1) ?? Promise.resolve());
    expect(last.code).toBe("unavailable");
    expect(last.retryAfterMs).toBeGreaterThan(0);
    await Promise.all(appends.slice(0, -1));
    expect(await engine.stores.messages.append(request())).toMatchObject({ firstSeq: waitingWritesMax + 1 });
  });

  test("lets go of what it has stored while more waits, however long that lasts (G8)", async () => {
    const { engine } = await open();
    // More than one transaction takes, so that something waits at every moment.
    const appendMany = (): Promise<unknown> => {
      const all = Array.from({ length: 9_000 }, () => engine.stores.messages.append(request()));
      void Promise.allSettled(all);
      return Promise.race(all);
    };
    const first = ((): WeakRef<AppendRequest> => {
      const large = request({ text: "the first" });
      void engine.stores.messages.append(large);
      return new WeakRef(large);
    })();
    for (let round = 0; round < 2; round += 1) await appendMany();
    await new Promise((resolve) => setImmediate(resolve));
    expect(engine.stats.waiting).toBeGreaterThan(0);
    collectGarbage();
    expect(first.deref()).toBeUndefined();
    await engine.drain();
  });

  test("lets a call that is at fault fail alone", async () => {
    const { stores } = await open();
    const nobody = asUserId("u_nobody");
    const token = { token: asTokenId("t1"), user: nobody, secretHash: "", label: "", createdAtMs: 0 };
    const [before, faulty, after] = await Promise.allSettled([
      stores.markers.setRead(nobody, conversation, { seq: asSeq(3), messages: 3 }),
      stores.accounts.addToken(token, { max: 3, nowMs: 0 }),
      stores.messages.append(request()),
    ]);
    expect(before).toMatchObject({ status: "fulfilled", value: { readSeq: 3 } });
    expect(faulty.status === "rejected" && faulty.reason).toBeInstanceOf(InvariantError);
    expect(after).toMatchObject({ status: "fulfilled" });
    expect(await stores.accounts.token(token.token)).toBeUndefined();
  });

  test("rejects on a full disk what could not be stored and what waits behind it, and goes on reading (G4)", async () => {
    const { stores } = await open({ pagesMax: 120 });
    await stores.messages.append(request());
    const large = "x".repeat(16_000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, () => stores.messages.append(request({ text: large }))),
    );
    const firstRejected = outcomes.findIndex(({ status }) => status === "rejected");
    expect(firstRejected).toBeGreaterThanOrEqual(0);
    for (const outcome of outcomes.slice(firstRejected)) {
      expect(outcome.status === "rejected" && outcome.reason).toMatchObject({ code: "unavailable" });
      expect(outcome.status === "rejected" && outcome.reason.message).toContain("The disk is full.");
    }
    const head = (await stores.messages.heads([conversation])).get(conversation)?.head;
    expect(head).toBe(firstRejected + 1);
    expect(await stores.messages.entries(range(1, 1))).toHaveLength(1);
    expect(await stores.messages.append(request())).toMatchObject({ outcome: "appended", firstSeq: (head ?? 0) + 1 });
  });

  test("takes nothing more when it drains, and has stored what it took, consumers' positions too", async () => {
    const opened = await open();
    const { stores, engine } = opened;
    await stores.messages.append(request());
    await stores.feed.advance("reader", 1);
    const appends = Array.from({ length: 50 }, () => stores.messages.append(request()));
    await engine.drain();
    expect(await Promise.all(appends)).toHaveLength(50);
    expect(await refusal(stores.messages.append(request()))).toMatchObject({ code: "unavailable" });
    expect(await stores.messages.entries(range(1, 99))).toHaveLength(51);
    await opened.crash();
    expect((await opened.stores.feed.positions()).consumers.get("reader")).toBe(1);
    expect(await opened.stores.messages.entries(range(1, 99))).toHaveLength(51);
  });

  test("rejects what waits when it is stopped, and everything after", async () => {
    const { stores, engine } = await open();
    const waiting = stores.messages.append(request());
    const [outcome] = await Promise.all([refusal(waiting), engine.stop()]);
    expect(outcome.code).toBe("unavailable");
    for (const late of [
      stores.messages.append(request()),
      stores.groups.group(conversation),
      stores.markers.setNotify(asUserId("u"), conversation, "all"),
    ]) {
      expect(await refusal(late)).toMatchObject({ code: "unavailable" });
    }
    await engine.drain();
    await engine.stop();
  });
});

describe("the change feed", () => {
  test("writes a position half a second later by itself, if no other write takes it along", async () => {
    const { stores, file, clock: time, engine } = await open();
    await stores.messages.append(request());
    await stores.feed.advance("reader", 1);
    const { commits } = engine.stats;
    await time.advance(499);
    expect(engine.stats).toMatchObject({ commits, waiting: 0 });
    await time.advance(1);
    await stores.markers.setNotify(asUserId("u"), conversation, "all");
    const db = openForReading(file);
    expect(db.prepare("SELECT position FROM consumers").get()).toEqual({ position: 1 });
    db.close();
  });

  test("forgets changes when every consumer is done with them", async () => {
    const { stores, file, engine } = await open();
    const conversations = Array.from({ length: 1_500 }, (_, index) => asConversationId(`g_${index}`));
    await stores.feed.advance("slow", 0);
    await Promise.all(conversations.map((id) => stores.messages.append(request({ conversation: id }))));
    const count = async () => {
      await stores.markers.setNotify(asUserId("u"), conversation, "all");
      const db = openForReading(file);
      const { changes } = db.prepare("SELECT count(*) AS changes FROM changes").get() ?? {};
      db.close();
      return changes;
    };
    const { newest } = await stores.feed.positions();
    await stores.feed.advance("quick", newest);
    expect(await count()).toBe(1_500);
    await stores.feed.advance("slow", newest);
    expect(await count()).toBe(0);
    await engine.drain();
  });
});

test("a damaged page rejects the reads that need it, and nothing else", async () => {
  const opened = await open({ settling: { rowsMin: 1, charactersMin: 1 }, recentBytes: 1 });
  for (let index = 0; index < 30; index += 1) {
    await opened.stores.messages.append(request({ text: "x".repeat(3_000) }));
  }
  await opened.engine.stop();
  const pageBytes = 4_096;
  const handle = openSync(opened.file, "r+");
  for (let page = Math.floor(statSync(opened.file).size / pageBytes) - 10; page > 30; page -= 1) {
    writeSync(handle, Buffer.alloc(pageBytes, 0xee), 0, pageBytes, page * pageBytes);
  }
  closeSync(handle);
  await opened.crash();
  const error = await refusal(opened.stores.messages.entries(range(1, 30)));
  expect(error.code).toBe("unavailable");
  expect(error.message).toContain("damaged");
  expect(await opened.stores.groups.group(conversation)).toBeUndefined();
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

const range = (fromSeq: number, toSeq: number) => ({
  conversation,
  fromSeq: asSeq(fromSeq),
  toSeq: asSeq(toSeq),
  charactersMax: 10_000_000,
});
