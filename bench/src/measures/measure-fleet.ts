import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { defaultRoles, type MachineKind } from "@tidings/cluster/fleet/fleet.ts";
import { type FleetServer, startFleetServer } from "../fleet-server.ts";
import { Arrivals } from "../load/arrivals.ts";
import { createMessageIds } from "../load/message.ts";
import { inParallel } from "../load/raw-socket.ts";
import { createSessions, type Load, runSends } from "../load/sends.ts";
import { TidingsSession } from "../load/tidings-session.ts";
import { createPopulation } from "../population.ts";
import { atLeast, atMost, type Measurement, type Row, readable } from "../report.ts";
import { median, medianRatio, percentile } from "../statistics.ts";
import { type Crowd, sendersMax } from "./crowd.ts";
import { runPaced } from "./fan-out.ts";
import type { MeasureOptions } from "./measure-options.ts";

const load: Load = { sessions: 100, window: 24 };
/** Of the Message Log, by default: the bare client has one record under way for each, as the fleet may. */
const partitions = 64;

/**
 * A fleet on this machine: three NATS servers that sync every write, PostgreSQL that commits to its disk, machines that send, receive and
 * work. Acknowledged sends, beside a bare JetStream client with records of the same size on the same servers; and what a delivery costs
 * when the sessions are spread over eight machines, beside all of them at one, under the same load.
 */
export async function measureFleet({ folder, quick, progress }: MeasureOptions): Promise<Measurement> {
  progress("fleet: starting NATS, PostgreSQL and seven processes");
  const sends = await withFleet(folder, defaultRoles, (fleet) =>
    measureSends(fleet, { rounds: quick ? 1 : 3, durationMs: quick ? 1_000 : 4_000, progress }),
  );
  progress("fleet: starting NATS, PostgreSQL and eleven processes");
  const spread = await withFleet(folder, spreadRoles, (fleet) =>
    measureSpread(fleet, { rounds: quick ? 1 : 7, size: quick ? 160 : 1_600, progress }),
  );
  return {
    title: "A fleet, all of it on this machine: NATS (3, sync always), PostgreSQL (synchronous_commit=on).",
    rows: [...sends.rows, ...spread.rows],
    figures: { ...sends.figures, ...spread.figures },
  };
}

async function withFleet(
  folder: string,
  roles: readonly MachineKind[],
  measure: (fleet: FleetServer) => Promise<Part>,
): Promise<Part> {
  const fleet = await startFleetServer(folder, roles);
  try {
    return await measure(fleet);
  } finally {
    await fleet.close();
  }
}

/** Eight that receive. */
const spreadRoles: readonly MachineKind[] = [
  "send",
  ...Array.from({ length: 8 }, () => "receive" as const),
  "worker",
  "worker",
];

type Part = Pick<Measurement, "rows" | "figures">;
type Extent = { readonly rounds: number; readonly progress: MeasureOptions["progress"] };

async function measureSends(
  fleet: FleetServer,
  { rounds, durationMs, progress }: Extent & { durationMs: number },
): Promise<Part> {
  // Two machines hold the sessions: others would only take turns with them.
  const ports = fleet.receivePorts.slice(0, 2);
  const server = {
    http: fleet.http,
    portOf: (session: number) => ports[session % ports.length] ?? 0,
    cpuMicroseconds: () => fleet.cpuMicroseconds(),
    storeCounts: async () => {
      const { records } = await fleet.logCounts();
      return { commits: records, appends: 0 };
    },
  };
  progress(`fleet: connecting ${load.sessions} sessions`);
  const sending = await createSessions(server, load.sessions);
  const sessionsOf = new Map([[load.sessions, sending]]);
  progress("fleet: warming up");
  await runSends(server, load, sessionsOf, warmUpMs);
  const ours: number[] = [];
  const floor: number[] = [];
  const perRecord: number[] = [];
  const ackMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    progress("fleet: sends");
    const [before, ackedBefore] = [await fleet.logCounts(), sending.acks.count];
    const result = await runSends(server, load, sessionsOf, durationMs);
    const after = await fleet.logCounts();
    const records = after.records - before.records;
    const messagesPerRecord = (sending.acks.count - ackedBefore) / records;
    perRecord.push(messagesPerRecord);
    ours.push(result.perSecond);
    ackMs.push(...result.ackMs);
    progress("fleet: a bare JetStream client");
    const recordBytes = Math.round((after.bytes - before.bytes) / records);
    floor.push((await runJetStreamLoop(fleet, recordBytes, durationMs)) * messagesPerRecord);
  }
  for (const session of sending.sessions) session.destroy();
  const perSecond = median(ours);
  const ratio = medianRatio(ours, floor);
  const name = `${load.sessions} sessions × ${load.window}`;
  return {
    rows: [
      {
        what: `${name}, sends each second`,
        ours: readable(perSecond),
        peer: `bare JetStream client, ${readable(median(perRecord))} messages a record`,
        theirs: readable(median(floor)),
        ratio,
        aim: atLeast(ratio, 0.5),
      },
      { what: `${name}, sends each second`, ours: readable(perSecond), aim: atLeast(perSecond, 5_000, "≥ 5,000") },
      {
        what: `${name}, acknowledged after, p50 / p99`,
        ours: `${readable(percentile(ackMs, 0.5))} / ${readable(percentile(ackMs, 0.99), "ms")}`,
      },
    ],
    figures: { fleet_sends_per_s: perSecond, fleet_sends_vs_jetstream: ratio },
  };
}

async function runJetStreamLoop(fleet: FleetServer, recordBytes: number, durationMs: number): Promise<number> {
  const program = fileURLToPath(new URL("../floors/jetstream-loop.ts", import.meta.url));
  const args = [program, fleet.natsUrls.join(","), ...[recordBytes, partitions, durationMs].map(String)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
}

async function measureSpread(fleet: FleetServer, { rounds, size, progress }: Extent & { size: number }): Promise<Part> {
  progress(`fleet: connecting twice ${size} sessions`);
  const [one, eight] = [
    await openCrowd(fleet, "one", { size, ports: 1 }),
    await openCrowd(fleet, "eight", { size, ports: 8 }),
  ];
  try {
    const cpu: Record<"one" | "eight", number[]> = { one: [], eight: [] };
    // Each of eight comes by its compiled code eight times as slowly.
    for (const crowd of [one, eight, eight, eight]) await runPaced(crowd, { durationMs: spreadMs, perSecond });
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, crowd] of [
        ["one", one],
        ["eight", eight],
      ] as const) {
        progress(`fleet: spread, ${name}`);
        cpu[name].push((await runPaced(crowd, { durationMs: spreadMs, perSecond })).cpuMicrosecondsPerDelivery);
        await sleep(200);
      }
    }
    const ratio = medianRatio(cpu.eight, cpu.one);
    const row: Row = {
      what: `${perSecond} messages a second, ${size} sessions at 8 machines, CPU for each delivery`,
      ours: readable(median(cpu.eight), "µs"),
      peer: "the same at one machine",
      theirs: readable(median(cpu.one), "µs"),
      ratio,
      aim: atMost(ratio, 1.2),
    };
    return { rows: [row], figures: { fleet_cpu_8_vs_1: ratio } };
  } finally {
    for (const crowd of [one, eight]) await crowd.close();
  }
}

/** One group, whose members' sessions are spread evenly over so many machines. CPU is that of all processes of Tidings. */
async function openCrowd(fleet: FleetServer, name: string, options: { size: number; ports: number }): Promise<Crowd> {
  const { size } = options;
  const ports = fleet.receivePorts.slice(0, options.ports);
  const { users, groups } = await createPopulation(fleet, { prefix: name, users: size, groups: 1, groupsPerUser: 1 });
  const conversation = groups[0] ?? "";
  const arrivals = new Arrivals();
  const sessions = await inParallel({ count: size, parallel: 50 }, (index) =>
    TidingsSession.open({
      // Those who send are at the first machine, so that their messages are packed into as many records, wherever the others are.
      port: ports[index < sendersMax ? 0 : index % ports.length] ?? 0,
      token: users[index]?.token ?? "",
      onEntries: (count) => arrivals.add(count),
      onFailure: (error) => arrivals.fail(error),
    }),
  );
  const nextId = createMessageIds();
  let turn = 0;
  return {
    name,
    server: { cpuMicroseconds: () => fleet.cpuMicroseconds() },
    size,
    arrivals,
    send: () => {
      turn = (turn + 1) % Math.min(sendersMax, size);
      sessions[turn]?.send({ conversation, messageId: nextId() });
    },
    close: async () => {
      for (const session of sessions) session.destroy();
    },
  };
}

/** To all sessions of a crowd: a busy group, and a load that one machine carries, too. */
const perSecond = 500;
const spreadMs = 3_000;
/** A dozen processes begin cold, on the processors of one machine. */
const warmUpMs = 12_000;
