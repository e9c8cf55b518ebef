import type { Settings } from "../settings.ts";
import { toMiB } from "./check-postgres.ts";
import type { Finding } from "./finding.ts";
import type { NatsExamination, StreamExamination } from "./fleet-examination.ts";

/** What NATS and the streams in it mean for a fleet; what they mean for an acknowledgement is `checkAcknowledgement`. */
export function checkNats(found: NatsExamination, settings: Settings): readonly Finding[] {
  return [
    checkVersions(found),
    checkCluster(found, settings),
    checkPartitions(found, settings),
    ...found.log.flatMap((stream) => [checkReplicas(stream, settings), checkDiscard(stream), checkRoom(stream)]),
    ...found.buckets.map((bucket) => checkReplicas(bucket, settings)),
  ].filter((finding) => finding !== undefined);
}

function checkVersions({ servers }: NatsExamination): Finding {
  const what = "NATS";
  const versions = [...new Set(servers.map(({ version }) => version))];
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

function checkCluster({ clusterSize }: NatsExamination, { logReplicas }: Settings): Finding {
  const what = "NATS cluster";
  const servers = clusterSize === 1 ? "one server" : `${clusterSize} servers`;
  if (clusterSize < logReplicas) {
    return { level: "bad", what, says: `${servers}, and --log-replicas is ${logReplicas}: the log cannot be made so` };
  }
  if (clusterSize === 1) return { level: "note", what, says: `${servers}: without it nothing is taken or delivered` };
  return { level: "good", what, says: servers };
}

function checkPartitions({ log, partitions }: NatsExamination, settings: Settings): Finding {
  const what = "partitions of the log";
  if (log.length === 0) return { level: "note", what, says: "There is no log yet: the first machine makes it." };
  if (partitions === undefined) return { level: "note", what, says: "The log does not say how many it has." };
  if (partitions === settings.partitions) return { level: "good", what, says: String(partitions) };
  const says = `${partitions}, and --partitions is ${settings.partitions}: no machine starts with that; they are fixed`;
  return { level: "bad", what, says };
}

function checkReplicas({ name, replicas }: StreamExamination, { logReplicas }: Settings): Finding | undefined {
  if (replicas === logReplicas) return undefined;
  const says = `${name} has ${replicas}, and --log-replicas is ${logReplicas}`;
  return { level: "note", what: "replicas", says };
}

function checkDiscard({ name, discard }: StreamExamination): Finding | undefined {
  if (discard === "new") return undefined;
  const says = `${name} forgets its oldest records when it is full, acknowledged ones: its discard policy must be "new"`;
  return { level: "bad", what: "a full log", says };
}

function checkRoom({ name, bytes, bytesMax }: StreamExamination): Finding | undefined {
  if (bytesMax === undefined) {
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

const versionMin = [2, 10] as const;
const shareNoted = 0.8;
const shareBad = 0.95;
