import type { Settings } from "../settings.ts";
import { toMiB } from "./check-postgres.ts";
import type { Finding } from "./finding.ts";
import { isLogStream, type NatsExamination, type NatsStreamExamination } from "./fleet-examination.ts";

/** What NATS and the streams in it mean for a fleet; what they mean for an acknowledgement is `checkAcknowledgement`. */
export function checkNats(found: NatsExamination, settings: Settings): readonly Finding[] {
  const log = found.streams.filter(isLogStream);
  return [
    checkVersions(found),
    checkCluster(found, settings),
    ...found.servers.map(checkMonitor),
    checkPartitions(log, settings),
    ...log.flatMap((stream) => [checkDiscard(stream), checkRoom(stream), checkAge(stream)]),
    ...found.streams.map((stream) => checkReplicas(stream, settings)),
  ].filter((finding) => finding !== undefined);
}

function checkVersions({ connectedTo, servers }: NatsExamination): Finding {
  const what = "NATS";
  const known = [connectedTo, ...servers].map(({ version }) => version).filter((version) => version !== "unknown");
  const versions = [...new Set(known)];
  const says = versions.join(", ");
  const old = versions.filter((version) => !isNewEnough(version));
  if (old.length > 0)
    return { level: "bad", what, says: `${old.join(", ")}: it must be ${versionMin.join(".")} or newer` };
  if (versions.length > 1) return { level: "note", what, says: `${says}: servers of several versions` };
  return { level: "good", what, says };
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > versionMin[0] || (major === versionMin[0] && minor >= versionMin[1]);
}

function checkCluster({ connectedTo: { cluster } }: NatsExamination, { logReplicas }: Settings): Finding {
  const what = "NATS cluster";
  if (cluster !== undefined) return { level: "good", what, says: cluster };
  if (logReplicas > 1) {
    return { level: "bad", what, says: `one server, and --log-replicas is ${logReplicas}: the log cannot be made so` };
  }
  return { level: "note", what, says: "one server: without it nothing is taken or delivered" };
}

function checkMonitor({ monitorUrl, name }: NatsExamination["servers"][number]): Finding | undefined {
  if (name !== "unknown") return undefined;
  return { level: "note", what: "NATS monitoring", says: `${monitorUrl} does not answer` };
}

function checkPartitions(log: readonly NatsStreamExamination[], { partitions: wanted }: Settings): Finding {
  const what = "partitions of the log";
  if (log.length === 0) return { level: "note", what, says: "There is no log yet: the first machine makes it." };
  const partitions = log.reduce((sum, { subjects }) => sum + subjects, 0);
  if (partitions === wanted) return { level: "good", what, says: `${partitions}, in ${log.length} streams` };
  const says = `${partitions}, and --partitions is ${wanted}: no machine starts with that; they are fixed`;
  return { level: "bad", what, says };
}

function checkReplicas(stream: NatsStreamExamination, { logReplicas }: Settings): Finding | undefined {
  const { name, replicas, replicasCurrent } = stream;
  if (replicasCurrent < replicas) {
    const says = `${name}: ${replicasCurrent} of ${replicas} are there and up to date`;
    // A majority goes on; without it nothing is taken.
    return { level: replicasCurrent > replicas / 2 ? "note" : "bad", what: "replicas", says };
  }
  if (replicas === logReplicas) return undefined;
  return { level: "note", what: "replicas", says: `${name} has ${replicas}, and --log-replicas is ${logReplicas}` };
}

function checkDiscard({ name, discard }: NatsStreamExamination): Finding | undefined {
  if (discard === "new") return undefined;
  const says = `${name} forgets its oldest records when it is full, acknowledged ones: its discard policy must be "new"`;
  return { level: "bad", what: "a full log", says };
}

function checkRoom({ name, bytes, bytesMax }: NatsStreamExamination): Finding | undefined {
  if (bytesMax <= 0) {
    return { level: "note", what: "room in the log", says: `${name} has no limit: it may fill the disk` };
  }
  const share = bytes / bytesMax;
  const says = `${name}: ${toMiB(bytes)} of ${toMiB(bytesMax)} MiB`;
  if (share < shareNoted) return { level: "good", what: "room in the log", says };
  return {
    level: share < shareBad ? "note" : "bad",
    what: "room in the log",
    says: `${says}; full, it refuses messages`,
  };
}

/** Records go when they are old, stored or not: what no worker has stored by then is lost. */
function checkAge({ name, ageMsMax }: NatsStreamExamination): Finding | undefined {
  if (ageMsMax === 0 || ageMsMax >= ageMsGood) return undefined;
  const hours = (ageMsMax / 3_600_000).toFixed(1);
  const says = `${name} keeps records for ${hours} h: what no worker stores within that time is lost, acknowledged or not`;
  return { level: ageMsMax >= ageMsNoted ? "note" : "bad", what: "age of records", says };
}

const versionMin = [2, 10] as const;
const shareNoted = 0.8;
const shareBad = 0.95;
/** A weekend in which nobody looks; an hour in which somebody is called. */
const ageMsGood = 3 * 24 * 3_600_000;
const ageMsNoted = 3_600_000;
