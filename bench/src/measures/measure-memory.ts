import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inParallel, openRawSocket } from "../load/raw-socket.ts";
import { TidingsSession } from "../load/tidings-session.ts";
import { createPopulation } from "../population.ts";
import { atMost, type Measurement, readable } from "../report.ts";
import { type ServerProcess, startServer } from "../server-process.ts";
import { median } from "../statistics.ts";
import { startTidings, type TidingsServer } from "../tidings-server.ts";
import type { MeasureOptions } from "./measure-options.ts";

const groupsPerUser = 10;

/** Servers of each kind that are measured at the same time: when V8 gives memory back is half a matter of chance. */
const twins = 3;

/**
 * Resident memory of the server with idle sessions, each of a user of its own in ten groups, less what it was before
 * they came; beside bare `ws` servers. All have served and lost a few connections before, so that code and
 * buffers that they need once are there; and all get time to collect garbage, without being told to.
 */
export async function measureMemory({ folder, quick, nodeFlags, progress }: MeasureOptions): Promise<Measurement> {
  const size = quick ? 300 : 1_500;
  progress(`memory: making ${size} users in ${groupsPerUser} groups each`);
  const first = await startTidings(folder, nodeFlags);
  const servers: TidingsServer[] = [first];
  const peers: ServerProcess[] = [];
  try {
    const groups = size / 20;
    const { users } = await createPopulation(first, { prefix: "mem", users: size, groups, groupsPerUser });
    // A process that has just made the users would hold garbage that the sessions could then live in.
    await first.kill();
    for (let index = 0; index < twins; index += 1) {
      servers.push(await first.twin());
      peers.push(await startServer([fileURLToPath(new URL("../peers/ws-loop.ts", import.meta.url))]));
    }
    const failures: Error[] = [];
    const openSession = (port: number, index: number): Promise<Client> =>
      TidingsSession.open({
        port,
        token: users[index]?.token ?? "",
        onFailure: (error) => failures.push(error),
      });
    const openPlain = (port: number): Promise<Client> => openRawSocket({ port, path: "/", onText: () => undefined });
    progress("memory: connecting, and waiting for what V8 gives back");
    const growths = (of: readonly ServerProcess[], open: (port: number, index: number) => Promise<Client>) =>
      Promise.all(of.map((server) => growth(server, size, (index) => open(server.port, index))));
    const [ours, theirs] = await Promise.all([
      growths(
        servers.slice(1).map((server) => server.process),
        openSession,
      ),
      growths(peers, openPlain),
    ]);
    if (failures[0] !== undefined) throw failures[0];
    const ratio = median(ours) / median(theirs);
    return {
      title:
        `Memory of each idle session: ${size} sessions of users in ${groupsPerUser} groups, resident memory, ` +
        `the median of ${twins} servers.`,
      rows: [
        {
          what: "memory of each session",
          ours: readable(median(ours) / 1024, "KiB"),
          peer: "ws, a bare connection",
          theirs: readable(median(theirs) / 1024, "KiB"),
          ratio,
          aim: atMost(ratio, 1.3),
        },
      ],
      figures: { memory_vs_ws: ratio },
    };
  } finally {
    for (const server of servers) await server.close();
    for (const peer of peers) await peer.kill();
  }
}

type Client = { readonly destroy: () => void };

/** Bytes of resident memory that one more client takes. The clients are gone afterwards. */
async function growth(server: ServerProcess, size: number, open: (index: number) => Promise<Client>): Promise<number> {
  const connect = (count: number): Promise<Client[]> => inParallel({ count, parallel: 20 }, open);
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
