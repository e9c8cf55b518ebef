import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "@tidings/core/invariant";
import { callOperation } from "./call-operation.ts";
import { openForReading } from "./open-database.ts";
import { type Call, type CallResult, createReads, type Reads } from "./operations.ts";
import { describeSqliteFailure } from "./sqlite-failure.ts";

/** The thread that holds the reading connection, so that a slow disk holds up nobody but those who ask for what is on it. */

export type ReaderData = { readonly file: string };
export type ReaderRequest = readonly Call<Reads>[] | "stop";
export type ReaderAnswer =
  | { readonly answer: "ready" }
  | { readonly answer: "refused"; readonly sentence: string }
  | { readonly answer: "results"; readonly results: readonly CallResult[] };

const port = parentPort;
invariant(port !== null, "The reader is a worker thread.");
const answer = (message: ReaderAnswer): void => port.postMessage(message);

try {
  serve(workerData as ReaderData);
} catch (error) {
  answer({ answer: "refused", sentence: describeSqliteFailure(error).sentence });
}

function serve({ file }: ReaderData): void {
  const db = openForReading(file);
  const reads = createReads(db);
  const begin = db.prepare("BEGIN");
  const commit = db.prepare("COMMIT");

  /** All calls of one request see one state of the database, at least as new as the request. */
  const read = (calls: readonly Call<Reads>[]): readonly CallResult[] => {
    try {
      begin.run();
      const results = calls.map((call) => callOperation<Reads>(reads, call));
      if (db.isTransaction) commit.run();
      return results;
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      const { sentence } = describeSqliteFailure(error);
      return calls.map(() => ({ failure: sentence }));
    }
  };

  port?.on("message", (request: ReaderRequest) => {
    if (request !== "stop") {
      answer({ answer: "results", results: read(request) });
      return;
    }
    db.close();
    port?.close();
  });
  answer({ answer: "ready" });
}
