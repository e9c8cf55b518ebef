import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type FleetMachine, type MachineKind, startFleet } from "@tidings/cluster/fleet/fleet.ts";
import { createHttpCalls, type HttpCalls } from "./load/http-calls.ts";
import { cpuMicrosecondsOf } from "./processes.ts";
import { benchFlags } from "./tidings-server.ts";

/** A fleet under measurement, without a balancer: sessions go straight to the machines that receive. */
export type FleetServer = {
  readonly http: HttpCalls;
  readonly receivePorts: readonly number[];
  readonly natsUrls: readonly string[];
  /** Processor time so far of all processes of Tidings of these kinds; of all where none is named. */
  readonly cpuMicroseconds: (...kinds: readonly MachineKind[]) => number;
  /** Records and bytes of the Message Log so far, as the servers' monitoring says. */
  readonly logCounts: () => Promise<{ records: number; bytes: number }>;
  readonly close: () => Promise<void>;
};

export async function startFleetServer(folder: string, roles: readonly MachineKind[]): Promise<FleetServer> {
  const own = mkdtempSync(join(folder, "fleet-"));
  const fleet = await startFleet({ folder: own, roles, balancer: false, flags: benchFlags(own) });
  const portsOf = (kind: MachineKind) => fleet.machines.flatMap(({ role, port }) => (role === kind ? [port] : []));
  const http = createHttpCalls(portsOf("send")[0] ?? 0, httpConnections);
  const pidsOf = (kinds: readonly MachineKind[]) =>
    fleet.machines.flatMap(({ role, process }: FleetMachine) =>
      process.pid !== undefined && (kinds.length === 0 || kinds.includes(role)) ? [process.pid] : [],
    );
  return {
    http,
    receivePorts: portsOf("receive"),
    natsUrls: fleet.nats.map(({ url }) => url),
    cpuMicroseconds: (...kinds) => pidsOf(kinds).reduce((sum, pid) => sum + cpuMicrosecondsOf(pid), 0),
    logCounts: () => readLogCounts(fleet.nats.map(({ monitorUrl }) => monitorUrl)),
    close: async () => {
      http.close();
      await fleet.stop();
      rmSync(own, { recursive: true, force: true });
    },
  };
}

/** A follower may be behind: what the furthest says. */
async function readLogCounts(monitorUrls: readonly string[]): Promise<{ records: number; bytes: number }> {
  let most = { records: 0, bytes: 0 };
  for (const url of monitorUrls) {
    const report = (await (await fetch(`${url}/jsz?streams=true`)).json()) as JetStreamReport;
    const streams = report.account_details?.flatMap(({ stream_detail }) => stream_detail ?? []) ?? [];
    const logs = streams.filter(({ name }) => !name.startsWith("KV_"));
    const records = logs.reduce((sum, { state }) => sum + state.last_seq, 0);
    if (records > most.records) most = { records, bytes: logs.reduce((sum, { state }) => sum + state.bytes, 0) };
  }
  return most;
}

type JetStreamReport = {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly name: string; readonly state: { last_seq: number; bytes: number } }[];
  }[];
};

const httpConnections = 64;
