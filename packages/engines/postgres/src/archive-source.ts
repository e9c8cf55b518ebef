import { type ArchiveIdentity, ArchiveRefusedError, type ArchiveTarget } from "@tidings/core";
import { writesLock } from "./archive-lock.ts";
import type { Query } from "./database.ts";

type Begun = Awaited<ReturnType<ArchiveTarget["begin"]>>;

/** Writes down which installation is copied into the database, or compares it with what was written down. */
export async function beginArchive(query: Query, source: ArchiveIdentity): Promise<Begun> {
  // A process that was ended may have left a transaction that is being committed.
  await query(lockAlone, writesLock);
  const [known] = await query<ArchiveIdentity & { finished: boolean }>(selectSource);
  const [used] = await query<{ data: boolean; served: boolean }>(selectUsed);
  if (known === undefined) {
    if (used?.served) throw new ArchiveRefusedError(`The database is served by a fleet, or was. ${another}`);
    if (used?.data) throw new ArchiveRefusedError(`The database is not empty. ${another}`);
    await query(insertSource, source.origin, source.state);
    return "begun";
  }
  if (known.origin !== source.origin) {
    throw new ArchiveRefusedError(`The database holds a migration of another installation. ${another}`);
  }
  if (known.state !== source.state) {
    throw new ArchiveRefusedError(
      `The installation has changed since its migration into this database began: it was served meanwhile. ${another}`,
    );
  }
  if (known.finished) return "finished";
  if (used?.served)
    throw new ArchiveRefusedError(`The database was served before its migration was finished. ${another}`);
  return "resumed";
}

const another = "Take an empty one.";

const lockAlone = { name: "archive-lock-alone", text: "SELECT pg_advisory_xact_lock($1)" };
const selectSource = { name: "archive-source", text: "SELECT origin, state, finished FROM archive_source" };
const insertSource = {
  name: "archive-begin",
  text: "INSERT INTO archive_source (origin, state, finished) VALUES ($1, $2, false)",
};
/** Somebody who serves a database applies the log, follows the feed, or both. The slot of the notifier is made by a migration, too. */
const selectUsed = {
  name: "archive-used",
  text: `SELECT EXISTS (SELECT FROM partitions) OR EXISTS (
      SELECT FROM pg_replication_slots s
      WHERE s.database = current_database() AND starts_with(s.slot_name, 'tidings_') AND NOT EXISTS (SELECT FROM archive_source)
    ) AS served,
    EXISTS (SELECT FROM conversations) OR EXISTS (SELECT FROM accounts) OR EXISTS (SELECT FROM memberships)
      OR EXISTS (SELECT FROM groups) OR EXISTS (SELECT FROM markers) OR EXISTS (SELECT FROM invites)
      OR EXISTS (SELECT FROM notifications) AS data`,
};
