import {
  type ArchivedPiece,
  type ArchiveTarget,
  type Clock,
  copiedKinds,
  type EntryPlace,
  type Stores,
} from "@tidings/core";
import { takeArchiveLock, writesLock } from "./archive-lock.ts";
import { readArchivedEntries } from "./archive-entries.ts";
import { beginArchive } from "./archive-source.ts";
import { putArchivedEntries } from "./put-archived-entries.ts";
import { lastArchiveKey, putArchivedRecords, readArchivePage } from "./archive-tables.ts";
import { Database, type EngineLog, type Query } from "./database.ts";
import { makeRoom, migrate } from "./migrate.ts";
import { createPostgresEngine } from "./postgres-engine.ts";

export type PostgresArchive = {
  readonly archive: ArchiveTarget;
  /** The same database for services that make of it what is not copied. */
  readonly stores: Stores;
  close(): Promise<void>;
};

/** New tables for entries are made in time: far fewer conversations than one of them holds (see entry-partitions.ts). */
const conversationsPerRoom = 500_000;

/**
 * Opens a database to copy an installation into it, and makes its tables. Until it is closed, nobody else copies into it. Rejects
 * with `unavailable` as `openPostgresEngine` does, or with an ArchiveRefusedError if somebody else has it open like this.
 */
export async function openPostgresArchive(options: {
  url: string;
  clock: Clock;
  log?: EngineLog;
}): Promise<PostgresArchive> {
  const { url, clock, log = silent } = options;
  await migrate(url, log);
  const lock = await takeArchiveLock(url);
  const db = new Database({ url, clock, log, connectionsMax });
  const engine = createPostgresEngine({ url, clock, log, connectionsMax });
  let madeSinceRoom = 0;

  /** As one transaction, for which whoever begins a copy waits. */
  const put = <T>(work: (query: Query) => Promise<T>): Promise<T> => {
    lock.check();
    return db.transaction(async (query) => {
      await query(lockShared, writesLock);
      return work(query);
    });
  };

  const archive: ArchiveTarget = {
    async totals() {
      const [row] = await db.read<{ conversations: number; entries: number }>(selectTotals);
      return row ?? { conversations: 0, entries: 0 };
    },
    entries: (request) => readArchivedEntries(db.read, request),
    records: (kind, request) => readArchivePage(db.read, kind, request),
    begin: (source) => db.transaction((query) => beginArchive(query, source)),
    async end() {
      const [last] = await db.read<EntryPlace>(selectLast);
      const records: Record<string, string> = {};
      for (const kind of copiedKinds) {
        const key = await lastArchiveKey(db.read, kind);
        if (key !== undefined) records[kind] = key;
      }
      return { records, ...(last !== undefined && { entries: last }) };
    },
    async putEntries(pieces: readonly ArchivedPiece[]) {
      madeSinceRoom += pieces.length;
      if (madeSinceRoom > conversationsPerRoom) {
        await makeRoom(url);
        madeSinceRoom = 0;
      }
      await put((query) => putArchivedEntries(query, pieces));
    },
    putRecords: (kind, records) => put((query) => putArchivedRecords(query, kind, records)),
    finish: () =>
      put(async (query) => {
        await query(setFinished);
      }),
  };

  return {
    archive,
    stores: engine.stores,
    async close() {
      await engine.stop();
      await db.stop();
      await lock.release();
    },
  };
}

const connectionsMax = 8;
const silent: EngineLog = { info: () => undefined, warn: () => undefined };

const lockShared = { name: "archive-lock-shared", text: "SELECT pg_advisory_xact_lock_shared($1)" };
const selectTotals = {
  name: "archive-totals",
  text: "SELECT count(*) AS conversations, coalesce(sum(head), 0) AS entries FROM conversations",
};
const selectLast = {
  name: "archive-last-entry",
  text: "SELECT conversation, head AS seq FROM conversations ORDER BY conversation DESC LIMIT 1",
};
const setFinished = { name: "archive-finish", text: "UPDATE archive_source SET finished = true" };
