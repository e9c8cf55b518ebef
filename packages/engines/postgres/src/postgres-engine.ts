import type { CancelTimer, Clock, LogImage, Stores } from "@tidings/core";
import { AppendQueue } from "./append-queue.ts";
import { ApplyQueue } from "./apply-queue.ts";
import { BatchStorage } from "./batch-storage.ts";
import { connectionsMaxDefault, Database, type EngineLog } from "./database.ts";
import { makeRoom, migrate } from "./migrate.ts";
import { refuseHalfCopied } from "./half-copied.ts";
import { createPostgresAccountStore } from "./postgres-account-store.ts";
import { createPostgresChangeFeed } from "./postgres-change-feed.ts";
import { createPostgresGroupStore, createPostgresMembershipIndex } from "./postgres-group-store.ts";
import { createPostgresInviteStore } from "./postgres-invite-store.ts";
import { createPostgresLogImage } from "./postgres-log-image.ts";
import { createPostgresMarkerStore } from "./postgres-marker-store.ts";
import { createPostgresMessageStore } from "./postgres-message-store.ts";
import { createPostgresNotificationStore } from "./postgres-notification-store.ts";

export type PostgresEngineOptions = {
  /** `postgresql://user:password@host:port/database`. Its role may make a schema; for the change feed it has REPLICATION. */
  readonly url: string;
  readonly clock: Clock;
  readonly log?: EngineLog;
  /** Connections of this process, beside one for each iteration of the change feed. */
  readonly connectionsMax?: number;
};

/** All databases of one installation in one PostgreSQL database, for any number of processes. */
export type PostgresEngine = {
  readonly stores: Stores;
  readonly image: LogImage;
  /** Since the start: transactions of entries that were committed, and the requests stored in them. Now: calls that wait. */
  readonly stats: { readonly commits: number; readonly appends: number; readonly waiting: number };
  /** Takes no more writes, and resolves when those taken are durable or rejected. Reads go on. */
  drain(): Promise<void>;
  /** Ends at once: what waits or is under way is rejected, and all connections are closed. */
  stop(): Promise<void>;
};

/** New tables for entries are made in time; see entry-partitions.ts. */
const roomEveryMs = 10 * 60_000;

/**
 * Opens the database, and brings its tables to this version. Rejects with `unavailable`, whose detail is a sentence for the operator:
 * the server does not answer, refuses us, or its tables are of a newer version. Afterwards the server may come and go: calls are
 * `unavailable` meanwhile.
 */
export async function openPostgresEngine(options: PostgresEngineOptions): Promise<PostgresEngine> {
  await migrate(options.url, options.log ?? silent);
  await refuseHalfCopied(options.url);
  return createPostgresEngine(options);
}

/** The engine on tables that are there, whoever else has something to do with them. */
export function createPostgresEngine(options: PostgresEngineOptions): PostgresEngine {
  const { url, clock, log = silent, connectionsMax = connectionsMaxDefault } = options;
  const db = new Database({ url, clock, log, connectionsMax });
  const storage = new BatchStorage(db);
  const queue = new AppendQueue(storage);
  const applies = new ApplyQueue(storage, clock);
  const changes = createPostgresChangeFeed({ db, url, clock });
  const stopMakingRoom = keepMakingRoom({ url, clock, log });

  return {
    stores: {
      messages: createPostgresMessageStore({ db, queue }),
      feed: changes.feed,
      groups: createPostgresGroupStore(db),
      memberships: createPostgresMembershipIndex(db),
      markers: createPostgresMarkerStore(db),
      invites: createPostgresInviteStore(db),
      accounts: createPostgresAccountStore(db),
      notifications: createPostgresNotificationStore(db),
    },
    image: createPostgresLogImage({ db, storage, applies }),
    get stats() {
      return { ...storage.counts, waiting: queue.waiting + applies.waiting + db.waiting };
    },
    async drain() {
      await queue.drain();
      await db.drain();
    },
    async stop() {
      stopMakingRoom();
      await changes.stop();
      await db.stop();
    },
  };
}

const silent: EngineLog = { info: () => undefined, warn: () => undefined };

function keepMakingRoom({ url, clock, log }: { url: string; clock: Clock; log: EngineLog }): CancelTimer {
  const stopped = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await clock.sleep(roomEveryMs, stopped.signal);
      if (stopped.signal.aborted) return;
      await makeRoom(url).catch((error: unknown) =>
        log.warn({ err: error }, "No new table for entries could be made."),
      );
    }
  };
  void run();
  return () => stopped.abort();
}
