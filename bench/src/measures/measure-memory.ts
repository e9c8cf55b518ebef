import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { collectGarbage, inspectable } from "../load/collect-garbage.ts";
import { inParallel, openRawSocket } from "../load/raw-socket.ts";
import { TidingsSession } from "../load/tidings-session.ts";
import { createPopulation } from "../population.ts";
import { atMost, type Measurement, readable } from "../report.ts";
import { type ServerProcess, startServer } from "../server-process.ts";
import { median } from "../statistics.ts";
import { startTidings, type TidingsServer } from "../tidings-server.ts";
import type { MeasureOptions } from "./measure-options.ts";

const groupsPerUser = 10;

/** Servers of each kind that are measured at the same time: how full V8 leaves its pages is partly chance. */
const twins = 3;

/**
 * Resident memory of the server with idle sessions, each of a user of its own in ten groups, less what it was before
 * they came; beside bare `ws` servers. All have served and lost a few connections before, so that code and
 * buffers that they need once are there. All are made to collect their garbage before each look: when V8 does so by itself
 * moves the figure of one session by more than half of it.
 */
export async function measureMemory({ folder, quick, nodeFlags, progress }: MeasureOptions): Promise<Measurement> {
  const size = quick ? 300 : 2_000;
  progress(`memory: making ${size} users in ${groupsPerUser} groups each`);
  const first = await startTidings(folder, nodeFlags);
  const ours: TidingsServer[] = [];
  const peers: ServerProcess[] = [];
  const failures: Error[] = [];
  try {
    const groups = size / 20;
    const { users } = await createPopulation(first, { prefix: "mem", users: size, groups, groupsPerUser });
    // A process that has just made the users would hold memory that the sessions could then live in.
    await first.kill();
    progress("memory: connecting");
    const growthOfOurs = async (): Promise<number> => {
      const inspector = await inspectable();
      const server = await first.twin([inspector.flag]);
      ours.push(server);
      return growth({ server: server.process, inspectorPort: inspector.port, size }, (index) =>
        TidingsSession.open({
          port: server.process.port,
          token: users[index]?.token ?? "",
          onFailure: (error) => failures.push(error),
        }),
      );
    };
    const growthOfPeer = async (): Promise<number> => {
      const inspector = await inspectable();
      const peer = await startServer([inspector.flag, fileURLToPath(new URL("../peers/ws-loop.ts", import.meta.url))]);
      peers.push(peer);
      return growth({ server: peer, inspectorPort: inspector.port, size }, () =>
        openRawSocket({ port: peer.port, path: "/", onText: () => undefined }),
      );
    };
    const [bytes, peerBytes] = await Promise.all(
      [growthOfOurs, growthOfPeer].map(async (grow) => median(await Promise.all(Array.from({ length: twins }, grow)))),
    );
    if (failures[0] !== undefined) throw failures[0];
    if (bytes === undefined || peerBytes === undefined) throw new Error("Both kinds of server were measured.");
    const ratio = bytes / peerBytes;
    return {
      title:
        `Memory of each idle session: ${size} sessions of users in ${groupsPerUser} groups, resident memory ` +
        `after garbage collection, the median of ${twins} servers.`,
      rows: [
        {
          what: "memory of each session",
          ours: readable(bytes / 1024, "KiB"),
          peer: "ws, a bare connection",
          theirs: readable(peerBytes / 1024, "KiB"),
          ratio,
          aim: atMost(ratio, 1.3),
        },
      ],
      figures: { memory_vs_ws: ratio },
    };
  } finally {
    for (const server of [first, ...ours]) await server.close();
    for (const peer of peers) await peer.kill();
  }
}

type Client = { readonly destroy: () => void };

/** Bytes of resident memory that one more client takes. The clients are gone afterwards. */
async function growth(
  measured: { server: ServerProcess; inspectorPort: number; size: number },
  open: (index: number) => Promise<Client>,
): Promise<number> {
  const { size } = measured;
  const connect = (count: number): Promise<Client[]> => inParallel({ count, parallel: 20 }, open);
  for (const client of await connect(size / 10)) client.destroy();
  const before = await settledBytes(measured);
  const clients = await connect(size);
  const after = await settledBytes(measured);
  for (const client of clients) client.destroy();
  return (after - before) / size;
}

/** What a welcome leaves to do, timers for instance, is done after this. */
const settleMs = 1_500;

async function settledBytes({
  server,
  inspectorPort,
}: {
  server: ServerProcess;
  inspectorPort: number;
}): Promise<number> {
  await sleep(settleMs);
  // The first collection frees what the later ones give back to the system.
  for (let collection = 0; collection < 3; collection += 1) {
    await collectGarbage(inspectorPort);
    await sleep(settleMs / 5);
  }
  return server.residentBytes();
}
