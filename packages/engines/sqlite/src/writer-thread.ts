import { parentPort, workerData } from "node:worker_threads";
import type { DatabaseSync } from "node:sqlite";
import { invariant } from "@tidings/core/invariant";
import { type AppendBatch, type AppendedBatch, buffersOf } from "./append-batch.ts";
import { createEntryAppender, newestPosition } from "./append-entries.ts";
import { callOperation } from "./call-operation.ts";
import { lockData, openForWriting } from "./open-database.ts";
import { type Call, type CallResult, createWrites, type Writes } from "./operations.ts";
import type { Settling } from "./settle-entries.ts";
import { describeSqliteFailure, type SqliteFailure } from "./sqlite-failure.ts";

/** The thread that holds the writing connection: one message is one transaction is one answer. */

export type WriterData = { readonly file: string; readonly settling: Settling; readonly pagesMax?: number };

export type WriterRequest =
  | {
      readonly appends: AppendBatch | undefined;
      readonly calls: readonly Call<Writes>[];
      readonly advances: readonly Advance[];
    }
  | "stop";

export type WriterAnswer =
  | { readonly answer: "ready"; readonly newest: number; readonly consumers: ReadonlyMap<string, number> }
  | { readonly answer: "refused"; readonly sentence: string }
  | {
      readonly answer: "committed";
      readonly appended: AppendedBatch | undefined;
      readonly results: readonly CallResult[];
    }
  | { readonly answer: "failed"; readonly failure: SqliteFailure };

/** A consumer of the change feed is done with everything up to the position. */
export type Advance = { readonly consumer: string; readonly position: number };

/** Changes that every consumer is done with are deleted when there are so many of them. */
const deletedChangesMin = 1_000;

const port = parentPort;
invariant(port !== null, "The writer is a worker thread.");
const answer = (message: WriterAnswer): void => {
  const appended = message.answer === "committed" ? message.appended : undefined;
  port.postMessage(message, appended === undefined ? [] : buffersOf(appended));
};

try {
  serve(workerData as WriterData);
} catch (error) {
  answer({ answer: "refused", sentence: describeSqliteFailure(error).sentence });
}

function serve({ file, settling, pagesMax }: WriterData): void {
  const lock = lockData(file);
  const db = openLocked(file, lock);
  if (pagesMax !== undefined) db.exec(`PRAGMA max_page_count = ${pagesMax}`);
  const appender = createEntryAppender(db, settling);
  const calls = createCaller(db);
  const feed = createFeedKeeper(db);
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");

  const transact = (request: WriterRequest & object): WriterAnswer => {
    try {
      begin.run();
      const appended = request.appends && appender.append(request.appends);
      const results = request.calls.map(calls);
      feed.advance(request.advances);
      commit.run();
      appender.committed();
      return { answer: "committed", appended, results };
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      appender.rolledBack();
      return { answer: "failed", failure: describeSqliteFailure(error) };
    }
  };

  port?.on("message", (request: WriterRequest) => {
    if (request !== "stop") {
      answer(transact(request));
      return;
    }
    db.close();
    lock.close();
    port?.close();
  });
  answer({ answer: "ready", newest: newestPosition(db), consumers: feed.positions() });
}

function openLocked(file: string, lock: DatabaseSync): DatabaseSync {
  try {
    return openForWriting(file);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Runs a call in a savepoint, so that one that fails takes back its own writes only. */
function createCaller(db: DatabaseSync): (call: Call<Writes>) => CallResult {
  const writes = createWrites(db);
  const begin = db.prepare("SAVEPOINT call");
  const release = db.prepare("RELEASE call");
  const rollback = db.prepare("ROLLBACK TO call");
  return (call) => {
    begin.run();
    const result = callOperation<Writes>(writes, call);
    if ("value" in result) {
      release.run();
      return result;
    }
    // SQLite itself rolls the whole transaction back when the disk is full or fails.
    if (!db.isTransaction) throw new Error("failure" in result ? result.failure : result.fault);
    rollback.run();
    release.run();
    return result;
  };
}

function createFeedKeeper(db: DatabaseSync) {
  const put = db.prepare(
    "INSERT INTO consumers VALUES (?, ?) ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
  );
  const selectConsumers = db.prepare("SELECT consumer, position FROM consumers");
  const selectOldest = db.prepare("SELECT min(position) AS oldest FROM changes");
  const forget = db.prepare("DELETE FROM changes WHERE position <= ?");

  const positions = (): Map<string, number> =>
    new Map(selectConsumers.all().map((row) => [String(row["consumer"]), Number(row["position"])]));

  return {
    positions,
    advance(advances: readonly Advance[]): void {
      if (advances.length === 0) return;
      for (const { consumer, position } of advances) put.run(consumer, position);
      const done = Math.min(...positions().values());
      const oldest = Number(selectOldest.get()?.["oldest"] ?? done);
      if (done - oldest >= deletedChangesMin) forget.run(done);
    },
  };
}
