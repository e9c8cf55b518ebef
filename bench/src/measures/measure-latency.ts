import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { measureFsyncMs } from "../floors/fsync.ts";
import { Arrivals } from "../load/arrivals.ts";
import type { PacedSenderInput, PacedSenderReport } from "../load/paced-sender.ts";
import { inParallel } from "../load/raw-socket.ts";
import { TidingsSession } from "../load/tidings-session.ts";
import { createPopulation, type Population } from "../population.ts";
import { atMost, type Measurement, readable } from "../report.ts";
import { percentile } from "../statistics.ts";
import { startTidings, type TidingsServer } from "../tidings-server.ts";
import type { MeasureOptions } from "./measure-options.ts";

const perSecond = 1_000;
const groups = 10;
const sendersPerGroup = 2;
const receiversPerGroup = 2;
const stretches = 5;

/**
 * From the moment at which a message was to be sent to its arrival at each other session, at a steady 1,000 messages a
 * second by 20 sessions in 10 groups. A late sender, a queue and a pause all count.
 */
export async function measureLatency({ folder, quick, nodeFlags, progress }: MeasureOptions): Promise<Measurement> {
  progress("latency: preparing");
  const server = await startTidings(folder, nodeFlags);
  try {
    const users = groups * (sendersPerGroup + receiversPerGroup);
    const population = await createPopulation(server, { prefix: "lat", users, groups, groupsPerUser: 1 });
    await runPaced(server, population, 2_000);
    const fsyncMs: number[] = [];
    const latenciesMs: number[] = [];
    let latestMs = 0;
    // The disk's own speed changes while one looks: the floor is measured between stretches of the load, too.
    for (let stretch = 0; stretch < stretches; stretch += 1) {
      progress(`latency: ${perSecond} messages a second, stretch ${stretch + 1} of ${stretches}`);
      fsyncMs.push(...measureFsyncMs(folder, 250));
      const run = await runPaced(server, population, quick ? 500 : 2_000);
      latenciesMs.push(...run.latenciesMs);
      latestMs = Math.max(latestMs, run.latestMs);
    }
    fsyncMs.push(...measureFsyncMs(folder, 250));
    const fsyncP50 = percentile(fsyncMs, 0.5);
    const p50 = percentile(latenciesMs, 0.5);
    return {
      title:
        `Send → receive at ${perSecond} messages a second, open loop, ${groups * sendersPerGroup} senders in ${groups} groups ` +
        `(the load was at most ${readable(latestMs, "ms")} late).`,
      rows: [
        {
          what: "latency, p50",
          ours: readable(p50, "ms"),
          peer: "fdatasync of 4 KiB, p50",
          theirs: readable(fsyncP50, "ms"),
          aim: atMost(p50, fsyncP50 + 2, "≤ fsync + 2 ms"),
        },
        {
          what: "latency, p99",
          ours: readable(percentile(latenciesMs, 0.99), "ms"),
          peer: "fdatasync of 4 KiB, p99",
          theirs: readable(percentile(fsyncMs, 0.99), "ms"),
        },
      ],
      figures: { latency_p50_ms: p50, fsync_p50_ms: fsyncP50 },
    };
  } finally {
    await server.close();
  }
}

type PacedRun = { readonly latenciesMs: Float64Array; readonly latestMs: number };

async function runPaced(
  server: TidingsServer,
  { users, groups: ids }: Population,
  messages: number,
): Promise<PacedRun> {
  const arrivals = new Arrivals();
  const arrivedNs = new BigInt64Array(messages * receiversPerGroup);
  const dueNumbers = new Uint32Array(messages * receiversPerGroup);
  let arrived = 0;
  const { port } = server.process;
  const senderCount = groups * sendersPerGroup;
  // User u is in group u modulo 10: the first 20 users are two senders for each group.
  const receivers = await inParallel({ count: groups * receiversPerGroup, parallel: 10 }, (index) =>
    TidingsSession.open({
      port,
      token: users[senderCount + index]?.token ?? "",
      onEntries: (count, bytes, start, end) => {
        const nowNs = process.hrtime.bigint();
        for (const number of textNumbers(bytes, start, end)) {
          arrivedNs[arrived] = nowNs;
          dueNumbers[arrived] = number;
          arrived += 1;
        }
        arrivals.add(count);
      },
      onFailure: (error) => arrivals.fail(error),
    }),
  );
  const senders = users
    .slice(0, senderCount)
    .map(({ token }, index) => ({ token, conversation: ids[index % groups] ?? "" }));
  const workerData: PacedSenderInput = { port, senders, perSecond, messages };
  const worker = new Worker(new URL("../load/paced-sender.ts", import.meta.url), { workerData });
  const ended = once(worker, "exit");
  let startNs = 0n;
  let latestMs = 0;
  worker.on("error", (error: Error) => arrivals.fail(error));
  worker.on("message", (report: PacedSenderReport) => {
    if (report.say === "ready") startNs = report.startNs;
    else if (report.say === "done") latestMs = report.latestMs;
    else arrivals.fail(new Error(report.why));
  });
  try {
    await arrivals.reach(messages * receiversPerGroup);
    // The last report may come after the last message.
    await sleep(50);
  } finally {
    for (const receiver of receivers) receiver.destroy();
    await worker.terminate();
    await ended;
  }
  const latenciesMs = Float64Array.from(dueNumbers.subarray(0, arrived), (number, index) => {
    const dueNs = startNs + BigInt(Math.round((number * 1e9) / perSecond));
    return Number((arrivedNs[index] ?? 0n) - dueNs) / 1e6;
  });
  return { latenciesMs, latestMs };
}

const textKey = Buffer.from('"text":"');

/** The numbers with which the texts of a frame begin. */
function* textNumbers(bytes: Buffer, start: number, end: number): Generator<number> {
  for (
    let at = bytes.indexOf(textKey, start);
    at !== -1 && at < end;
    at = bytes.indexOf(textKey, at + textKey.length)
  ) {
    yield Number(bytes.toString("latin1", at + textKey.length, at + textKey.length + 8));
  }
}
