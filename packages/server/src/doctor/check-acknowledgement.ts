import { acknowledgement, type Finding } from "./finding.ts";
import type { NatsExamination } from "./fleet-examination.ts";

/**
 * What an acknowledged message outlives in this fleet (G1). The log acknowledges it: so many of its servers as it has replicas hold
 * it, the majority of them when the acknowledgement goes out. Whether it is on their disks then, or only in the memory of
 * their kernels, is a setting of NATS, which by default fsyncs every two minutes.
 */
export function checkAcknowledgement({ log, servers }: NatsExamination, logReplicas: number): Finding {
  const what = acknowledgement;
  const volatile = log.find(({ storage }) => storage === "memory");
  if (volatile !== undefined) {
    return {
      level: "bad",
      what,
      says: `${volatile.name} is kept in memory: the loss of power loses acknowledged messages`,
    };
  }
  // Before there is a log it is what it will be.
  const replicas = log.length === 0 ? logReplicas : Math.min(...log.map((stream) => stream.replicas));
  const { unknown, intervalMs } = slowestSync(servers);
  if (unknown) {
    const says = `it is not known whether it survives the loss of power: name all servers' --nats-monitor-urls. ${outlives(replicas)}`;
    return { level: "note", what, says };
  }
  if (intervalMs === 0) {
    const says = `NATS fsyncs always: an acknowledged message survives the loss of power of all machines. ${outlives(replicas)}`;
    return { level: replicas === 1 ? "note" : "good", what, says };
  }
  const interval = intervalMs % 60_000 === 0 ? `${intervalMs / 60_000}m` : `${intervalMs / 1_000}s`;
  const when =
    replicas === 1
      ? "its server loses power"
      : `a majority of the ${replicas} servers that hold it lose power together`;
  return {
    level: "bad",
    what,
    says: `NOT power-safe: NATS fsyncs every ${interval} (sync_interval), what was acknowledged since is lost if ${when}`,
  };
}

function outlives(replicas: number): string {
  if (replicas === 1) return "One server holds the log: the loss of its disk loses what was not stored yet.";
  const lost = Math.floor((replicas - 1) / 2);
  return `${replicas} servers hold the log: it goes on without ${lost === 1 ? "one" : lost} of them.`;
}

function slowestSync(servers: NatsExamination["servers"]): { unknown: boolean; intervalMs: number } {
  const known = servers.flatMap(({ syncIntervalMs }) => (syncIntervalMs === "unknown" ? [] : [syncIntervalMs]));
  const intervalMs = Math.max(0, ...known);
  // One server that is known to be late is enough to know; that all are in time is known from all of them.
  return { unknown: intervalMs === 0 && (known.length < servers.length || known.length === 0), intervalMs };
}
