import type { Clock, Stores } from "@tidings/core";
import { Reader } from "./reader.ts";
import { RecentEntries, recentBytesMax } from "./recent-entries.ts";
import { type Settling, settlingDefaults } from "./settle-entries.ts";
import { type BackupProgress, backupSqlite } from "./sqlite-backup.ts";
import { createSqliteChangeFeed, type SqliteChangeFeed } from "./sqlite-change-feed.ts";
import { createSqliteMessageStore } from "./sqlite-message-store.ts";
import {
  createSqliteAccountStore,
  createSqliteGroupStore,
  createSqliteMembershipIndex,
  createSqliteInviteStore,
  createSqliteMarkerStore,
} from "./sqlite-stores.ts";
import { createSqliteNotificationStore } from "./sqlite-notification-store.ts";
import { Writer } from "./writer.ts";

export type SqliteEngineOptions = {
  readonly file: string;
  readonly clock: Clock;
  /** When recent entries are settled (see settle-entries.ts); tests make it happen often. */
  readonly settling?: Settling;
  /** Bytes of recent entries that are kept in memory, at least; what is not settled is kept in any case. */
  readonly recentBytes?: number;
  /** Bound of the file, in pages of 4 KiB: beyond it writes are rejected as on a full disk. None unless told. */
  readonly pagesMax?: number;
};

/** All databases of one installation in one SQLite file. */
export interface SqliteEngine {
  readonly stores: Stores;
  /** Copies the database into the file `to` while it is served. See `backupSqlite`. */
  backup(to: string, onProgress?: (progress: BackupProgress) => void): Promise<void>;
  /** Takes no more writes, and resolves when those taken are durable. Reads go on. */
  drain(): Promise<void>;
  /** Ends at once: what waits is rejected, the transaction under way ends, the file is closed and free for another process. */
  stop(): Promise<void>;
  /** Since the start: transactions that were committed, and the appends in them. Now: writes that wait. */
  readonly stats: { readonly commits: number; readonly appends: number; readonly waiting: number };
}

/**
 * Opens the database, or makes it. Its folder exists. Rejects with `unavailable`, whose detail is a sentence for
 * the operator: another process has the data, the file is damaged, not ours or of a newer version, the
 * disk is full or read-only, or commits would not be durable.
 */
export async function openSqliteEngine(options: SqliteEngineOptions): Promise<SqliteEngine> {
  const { file, clock, settling = settlingDefaults, recentBytes = recentBytesMax, pagesMax } = options;
  const recent = new RecentEntries(recentBytes);
  let changes: SqliteChangeFeed | undefined;
  const { writer, newest, consumers } = await Writer.start({
    data: { file, settling, ...(pagesMax !== undefined && { pagesMax }) },
    clock,
    onCommitted: (committed) => {
      recent.note(committed);
      changes?.note(committed);
    },
  });
  const reader = await Reader.start({ file }).catch(async (error: unknown) => {
    await writer.stop();
    throw error;
  });
  const threads = { writer, reader };
  changes = createSqliteChangeFeed({ ...threads, newest, consumers });

  return {
    stores: {
      messages: createSqliteMessageStore({ ...threads, recent }),
      feed: changes.feed,
      groups: createSqliteGroupStore(threads),
      memberships: createSqliteMembershipIndex(threads),
      markers: createSqliteMarkerStore(threads),
      invites: createSqliteInviteStore(threads),
      accounts: createSqliteAccountStore(threads),
      notifications: createSqliteNotificationStore(threads),
    },
    backup: (to, onProgress) => backupSqlite({ file, to, ...(onProgress && { onProgress }) }),
    drain: () => writer.drain(),
    async stop() {
      writer.refuse();
      // The reader first: the last connection to close moves the log into the file.
      await reader.stop();
      await writer.stop();
    },
    get stats() {
      return writer.counts;
    },
  };
}
