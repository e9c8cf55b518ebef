import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inParallel, openRawSocket } from "../load/raw-socket.ts";
import { TidingsSession } from "../load/tidings-session.ts";
import { createPopulation } from "../population.ts";
import { atMost, type Measurement, readable } from "../report.ts";
import { type ServerProcess, startServer } from "../server-process.ts";
import { startTidings } from "../tidings-server.ts";
import type { MeasureOptions } from "./measure-options.ts";

const groupsPerUser = 10;

/**
 * Resident memory of the server with idle sessions, each of a user of its own in ten groups, less what it was before
 * they came; beside a bare `ws` server. Both have served and lost a few connections before, so that code and
 * buffers that they need once are there; and both get time to collect garbage, without being told to.
 */
export async function measureMemory({ folder, quick, nodeFlags, progress }: MeasureOptions): Promise<Measurement> {
  const size = quick ? 300 : 2_000;
  progress(`memory: making ${size} users in ${groupsPerUser} groups each`);
  let tidings = await startTidings(folder, nodeFlags);
  const peer = await startServer([fileURLToPath(new URL("../peers/ws-loop.ts", import.meta.url))]);
  try {
    const groups = size / 20;
    const { users } = await createPopulation(tidings, { prefix: "mem", users: size, groups, groupsPerUser });
    // A process that has just made the users would hold garbage that the sessions could then live in.
    await tidings.kill();
    tidings = await tidings.restart();
    const failures: Error[] = [];
    const openSession = (index: number): Promise<{ destroy: () => void }> =>
      TidingsSession.openWhenAdmitted({
        port: tidings.process.port,
        token: users[index]?.token ?? "",
        onFailure: (error) => failures.push(error),
      });
    const openPlain = (): Promise<{ destroy: () => void }> =>
      openRawSocket({ port: peer.port, path: "/", onText: () => undefined });
    progress("memory: settling");
    const [ours, theirs] = await Promise.all([
      growth(tidings.process, size, openSession),
      growth(peer, size, openPlain),
    ]);
    if (failures[0] !== undefined) throw failures[0];
    const ratio = ours / theirs;
    return {
      title: `Memory of each idle session: ${size} sessions of users in ${groupsPerUser} groups, resident memory.`,
      rows: [
        {
          what: "memory of each session",
          ours: readable(ours / 1024, "KiB"),
          peer: "ws, a bare connection",
          theirs: readable(theirs / 1024, "KiB"),
          ratio,
          aim: atMost(ratio, 1.3),
        },
      ],
      figures: { memory_vs_ws: ratio },
    };
  } finally {
    await tidings.close();
    await peer.kill();
  }
}

/** Bytes of resident memory that one more client takes. The clients are gone afterwards. */
async function growth(
  server: ServerProcess,
  size: number,
  open: (index: number) => Promise<{ destroy: () => void }>,
): Promise<number> {
  const connect = (count: number): Promise<{ destroy: () => void }[]> => inParallel({ count, parallel: 20 }, open);
  for (const client of await connect(size / 10)) client.destroy();
  const before = await settled(server);
  const clients = await connect(size);
  const after = await settled(server);
  for (const client of clients) client.destroy();
  return (after - before) / size;
}

const settleMsMin = 9_000;
const settleMsMax = 20_000;
const stepMs = 500;

/** Resident memory once it has not changed by more than a thousandth for 3 s, after V8 had its time to notice an idle process. */
async function settled(server: ServerProcess): Promise<number> {
  const beganMs = performance.now();
  let value = server.residentBytes();
  let stableSinceMs = beganMs;
  while (performance.now() - beganMs < settleMsMax) {
    await sleep(stepMs);
    const next = server.residentBytes();
    if (Math.abs(next - value) > value / 1_000) {
      value = next;
      stableSinceMs = performance.now();
    }
    const nowMs = performance.now();
    if (nowMs - beganMs >= settleMsMin && nowMs - stableSinceMs >= 3_000) break;
  }
  return server.residentBytes();
}
