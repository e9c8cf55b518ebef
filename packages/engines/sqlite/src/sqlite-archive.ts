import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { ArchiveSource, Change } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { type ArchivedEntries, createArchivedEntries } from "./archive-entries.ts";
import { identityOf } from "./archive-identity.ts";
import { readArchivePage } from "./archive-tables.ts";
import { createMessageReads } from "./message-operations.ts";
import {
  DatabaseRefusedError,
  lockData,
  numberOf,
  openForReading,
  refuseForeignFile,
  refuseNewerVersion,
} from "./open-database.ts";
import { rowOf } from "./rows.ts";
import { migrations } from "./schema.ts";
import { describeSqliteFailure, sqliteCode } from "./sqlite-failure.ts";

export type SqliteArchive = { readonly archive: ArchiveSource; close(): void };

/**
 * Opens a database that nobody serves, to read all of it out. Nothing in it is changed. Until it is closed, no server can start on it: the
 * lock of whoever serves it is held. Throws `unavailable`, whose detail is a sentence for the operator.
 */
export function openSqliteArchive(file: string): SqliteArchive {
  try {
    if (!existsSync(file)) throw new DatabaseRefusedError(`There is no database at ${file}.`);
    const lock = lockUnserved(file);
    try {
      const db = openForReading(file);
      try {
        return archiveOf(file, { db, lock });
      } catch (error) {
        db.close();
        throw error;
      }
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    throw unavailable(error);
  }
}

function lockUnserved(file: string): DatabaseSync {
  try {
    return lockData(file);
  } catch (error) {
    if (!(error instanceof DatabaseRefusedError)) throw error;
    throw new DatabaseRefusedError(`${error.message} Stop it first: what it takes in now would not be copied.`);
  }
}

function archiveOf(file: string, { db, lock }: { db: DatabaseSync; lock: DatabaseSync }): SqliteArchive {
  refuseForeignFile(db, file);
  refuseNewerVersion(db);
  if (numberOf(db, "user_version") < migrations.length) {
    throw new DatabaseRefusedError(
      "The database is of an older version. Start and stop the server once: that brings it up to date.",
    );
  }
  // The transaction holds the moment.
  db.exec("BEGIN");
  const entries = createArchivedEntries(db);
  const messages = createMessageReads(db);
  const position = db.prepare("SELECT position FROM consumers WHERE consumer = ?");
  const totals = db.prepare("SELECT count(*) AS conversations, coalesce(sum(head), 0) AS entries FROM conversations");

  const archive: ArchiveSource = {
    totals: async () => asked(() => rowOf<{ conversations: number; entries: number }>(totals) ?? nothing),
    entries: async (request) => asked(() => entries.after(request)),
    records: async (kind, request) =>
      asked(() => {
        const page = readArchivePage(db, kind, request);
        if (kind !== "conversations") return page;
        const items = page.items.map((item) => ({ ...item, ...withRecentKeys(item as Counted) }));
        return { ...page, items };
      }),
    identity: async () =>
      asked(() => {
        // A connection of its own sees the present, which the transaction does not.
        const present = openForReading(file);
        try {
          return identityOf(present);
        } finally {
          present.close();
        }
      }),
    pendingChanges: async (consumer, { after, limit }) =>
      asked((): readonly Change[] => {
        const done = rowOf<{ position: number }>(position, consumer)?.position ?? 0;
        return messages.changesAfter(Math.max(done, after), limit);
      }),
  };
  const withRecentKeys = ({ conversation, keys }: Counted) => ({ keys: keys + entries.recentKeys(conversation) });

  return {
    archive,
    close() {
      db.close();
      lock.close();
    },
  };
}

type Counted = { readonly conversation: Parameters<ArchivedEntries["recentKeys"]>[0]; readonly keys: number };

const nothing = { conversations: 0, entries: 0 };

function asked<T>(question: () => T): T {
  try {
    return question();
  } catch (error) {
    throw unavailable(error);
  }
}

/** Of what is expected to fail; anything else is a fault of ours, and stays what it is. */
function unavailable(error: unknown): unknown {
  if (!(error instanceof DatabaseRefusedError) && sqliteCode(error) === undefined) return error;
  const detail = error instanceof DatabaseRefusedError ? error.message : describeSqliteFailure(error).sentence;
  return new TidingsError("unavailable", { detail, cause: error });
}
