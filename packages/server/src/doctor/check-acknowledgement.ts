import type { Settings } from "../settings.ts";
import { acknowledgement, type Finding } from "./finding.ts";
import { isLogStream, type NatsExamination } from "./fleet-examination.ts";

/**
 * What an acknowledged message outlives in this fleet (G1). The log acknowledges it: so many of its servers as it has replicas hold
 * it, the majority of them when the acknowledgement goes out. Whether it is on their disks then, or only in the memory of
 * their kernels, is a setting of NATS, which by default fsyncs every two minutes.
 */
export function checkAcknowledgement({ streams, servers, connectedTo }: NatsExamination, settings: Settings): Finding {
  const what = acknowledgement;
  const log = streams.filter(isLogStream);
  const volatile = log.find(({ storage }) => storage !== "file");
  if (volatile !== undefined) {
    return {
      level: "bad",
      what,
      says: `${volatile.name} is kept in memory: the loss of power loses acknowledged messages`,
    };
  }
  // Before there is a log it is what it will be.
  const replicas = log.length === 0 ? settings.logReplicas : Math.min(...log.map((stream) => stream.replicas));
  const late = servers.find(({ syncInterval }) => syncInterval !== "always" && syncInterval !== "unknown");
  if (late !== undefined) {
    const when =
      replicas === 1 ? "its server loses power" : `most of the ${replicas} servers that hold it lose power together`;
    const lost = `what was acknowledged since is lost if ${when}`;
    const says = `NOT power-safe: ${late.name} fsyncs every ${late.syncInterval} (sync_interval); ${lost}`;
    return { level: "bad", what, says };
  }
  // One that is late is enough to know; that all are in time is known from all of them.
  const asked = new Set(servers.filter(({ syncInterval }) => syncInterval === "always").map(({ name }) => name));
  const wanted =
    connectedTo.cluster === undefined
      ? 1
      : Math.max(replicas, settings.natsServers.length, ...servers.map(({ clusterSize = 0 }) => clusterSize));
  if (asked.size < wanted) {
    const known = asked.size === 0 ? "no server says" : `only ${asked.size} of ${wanted} servers say`;
    const says = `it is not known whether it survives the loss of power: ${known} how it fsyncs; name --nats-monitor-urls.`;
    return { level: "note", what, says: `${says} ${outlives(replicas)}` };
  }
  const says = `NATS fsyncs always: an acknowledged message survives the loss of power of all machines. ${outlives(replicas)}`;
  return { level: replicas === 1 ? "note" : "good", what, says };
}

function outlives(replicas: number): string {
  if (replicas === 1) return "One server holds the log: the loss of its disk loses what was not stored yet.";
  const lost = Math.floor((replicas - 1) / 2);
  return `${replicas} servers hold the log: it goes on without ${lost === 1 ? "one" : lost} of them.`;
}
