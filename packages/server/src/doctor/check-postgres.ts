import type { Settings } from "../settings.ts";
import type { Finding } from "./finding.ts";
import type { PostgresExamination } from "./fleet-examination.ts";

/** What PostgreSQL's settings mean for a fleet. */
export function checkPostgres(found: PostgresExamination, settings: Settings): readonly Finding[] {
  return [
    checkVersion(found),
    checkSchema(found),
    checkRecovery(found),
    checkCommit(found),
    checkFullPages(found),
    checkWalLevel(found),
    checkReplication(found),
    checkSlots(found),
    ...found.idleSlots.map(checkIdleSlot),
    checkConnections(found, settings),
  ].filter((finding) => finding !== undefined);
}

function checkVersion({ version, versionNumber }: PostgresExamination): Finding {
  const what = "PostgreSQL";
  if (versionNumber >= majorMin * 10_000) return { level: "good", what, says: version };
  return { level: "bad", what, says: `${version}: it must be ${majorMin} or newer` };
}

function checkSchema({ schemaVersion, schemaVersionKnown, isHalfCopied }: PostgresExamination): Finding {
  const what = "tables";
  if (schemaVersion > schemaVersionKnown) {
    const says = `version ${schemaVersion}, but this program knows versions up to ${schemaVersionKnown}: no machine of it serves them`;
    return { level: "bad", what, says };
  }
  if (isHalfCopied) {
    const says =
      "An installation is being migrated into this database and not all of it is there: run tidings migrate to its end";
    return { level: "bad", what, says };
  }
  if (schemaVersion > 0) return { level: "good", what, says: `version ${schemaVersion}` };
  return { level: "note", what, says: "There are none yet: the first machine makes them." };
}

function checkRecovery({ isInRecovery }: PostgresExamination): Finding | undefined {
  if (!isInRecovery) return undefined;
  return { level: "bad", what: "recovery", says: "This is a standby: nothing can be written to it. Name the primary." };
}

/**
 * In a fleet messages are acknowledged by the log; accounts, tokens, markers and notifications by the database. A worker that finds
 * the database further back than it was applies the log again, as long as the log has it.
 */
function checkCommit(found: PostgresExamination): Finding {
  const { fsync, synchronousCommit: mode, synchronousStandbyNames: standbys } = found;
  const what = "commits of the database";
  if (fsync !== "on") {
    return { level: "bad", what, says: "fsync is off: the loss of power may leave a database that cannot be read" };
  }
  if (mode === "off") {
    const says = "synchronous_commit is off: accounts, tokens and read markers that were acknowledged may be lost";
    return { level: "bad", what, says };
  }
  if (standbys === "") return { level: "good", what, says: `fsynced on one server (synchronous_commit ${mode})` };
  if (mode === "local" || mode === "remote_write") {
    const lacks = mode === "local" ? "have got" : "have fsynced";
    const says = `synchronous_commit is ${mode}: a standby that takes over may not ${lacks} what was acknowledged last`;
    return { level: "note", what, says };
  }
  return { level: "good", what, says: `fsynced here and on standbys (${standbys}; synchronous_commit ${mode})` };
}

function checkFullPages({ fullPageWrites }: PostgresExamination): Finding | undefined {
  if (fullPageWrites === "on") return undefined;
  const says = "off: after the loss of power a page may be half old, and nothing mends it";
  return { level: "bad", what: "full_page_writes", says };
}

function checkWalLevel({ walLevel }: PostgresExamination): Finding {
  const what = "wal_level";
  if (walLevel === "logical") return { level: "good", what, says: "logical, which the change feed needs" };
  return {
    level: "bad",
    what,
    says: `${walLevel}: the change feed, and notifications with it, need wal_level = logical`,
  };
}

function checkReplication({ mayReplicate }: PostgresExamination): Finding | undefined {
  if (mayReplicate) return undefined;
  const says = "this role may not read the change feed, which notifications follow: ALTER ROLE … REPLICATION";
  return { level: "bad", what: "role", says };
}

function checkSlots({ replicationSlotsMax: max, replicationSlotsUsed: used }: PostgresExamination): Finding {
  const what = "replication slots";
  const says = `${used} of ${max} used`;
  if (used < max) return { level: "good", what, says };
  return { level: "note", what, says: `${says}: a feed that has none yet gets none; raise max_replication_slots` };
}

function checkIdleSlot({ name, keptBytes }: PostgresExamination["idleSlots"][number]): Finding | undefined {
  if (keptBytes < keptBytesNoted) return undefined;
  const says = `${name} keeps ${toMiB(keptBytes)} MiB of write-ahead log and nobody reads it: start what did, or drop it`;
  return { level: keptBytes < keptBytesBad ? "note" : "bad", what: "replication slot", says };
}

function checkConnections({ connectionsMax, connectionsUsed }: PostgresExamination, settings: Settings): Finding {
  const own = settings.databaseConnectionsMax + feedConnections;
  const machines = Math.floor((connectionsMax - reservedConnections) / own);
  const says = `${connectionsMax} (${connectionsUsed} in use), room for ${machines} machines with these settings`;
  return { level: machines >= 1 ? "good" : "bad", what: "max_connections", says };
}

export const toMiB = (bytes: number): string => Math.round(bytes / 1024 ** 2).toLocaleString("en");

const majorMin = 15;
const keptBytesNoted = 256 * 1024 ** 2;
const keptBytesBad = 10 * 1024 ** 3;
/** For the feed, beside the pool. */
const feedConnections = 1;
/** PostgreSQL keeps some for its superuser (superuser_reserved_connections). */
const reservedConnections = 3;
