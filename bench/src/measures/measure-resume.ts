import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createMessageIds, messageText } from "../load/message.ts";
import { inParallel, openRawSocket, untilAdmitted } from "../load/raw-socket.ts";
import { TidingsSession } from "../load/tidings-session.ts";
import { createPopulation } from "../population.ts";
import { atMost, type Measurement, readable } from "../report.ts";
import { startServer } from "../server-process.ts";
import { startTidings } from "../tidings-server.ts";
import type { MeasureOptions } from "./measure-options.ts";

const sessionsPerUser = 2;
const groupsPerUser = 10;
const missedPerGroup = 3;
/** Clients come back with jitter, as the protocol asks them to: within this time. */
const jitterMs = 1_000;

/**
 * 5,000 sessions of 2,500 users in ten groups each lose their server by SIGKILL. When it listens again all come back, each
 * with its cursors and three messages missed in each group: seconds until the last of them has everything.
 */
export async function measureResume({ folder, quick, nodeFlags, progress }: MeasureOptions): Promise<Measurement> {
  const count = quick ? 500 : 5_000;
  progress(`resume: making ${count / sessionsPerUser} users in ${groupsPerUser} groups each`);
  let server = await startTidings(folder, nodeFlags);
  try {
    const size = count / sessionsPerUser;
    const population = await createPopulation(server, { prefix: "res", users: size, groups: size / 25, groupsPerUser });
    const { users, groups } = population;
    const tokenOf = (session: number): string => users[session % size]?.token ?? "";
    const failures: Error[] = [];
    progress(`resume: connecting ${count} sessions`);
    let isKilled = false;
    const onLoss = (error: Error): void => {
      if (!isKilled) failures.push(error);
    };
    const before = await inParallel({ count, parallel: 50 }, (index) =>
      TidingsSession.open({ port: server.process.port, token: tokenOf(index), onFailure: onLoss }),
    );
    const haves = before.map((session, index) => {
      const first = index % size;
      const own = Array.from({ length: groupsPerUser }, (_, k) => groups[(first + k) % groups.length] ?? "");
      return Object.fromEntries(own.map((group) => [group, session.cursor(group)]));
    });
    await sendMissed(server, groups, tokenOf);
    if (failures[0] !== undefined) throw failures[0];
    progress("resume: killing the server");
    isKilled = true;
    await server.kill();
    server = await server.restart();
    progress("resume: coming back");
    const { port } = server.process;
    const { seconds, clients } = await comeBack(count, (index) =>
      TidingsSession.open({
        port,
        token: tokenOf(index),
        have: haves[index] ?? {},
        resume: true,
        onFailure: (error) => failures.push(error),
      }),
    );
    const entries = clients.reduce((sum, client, index) => sum + client.gained(haves[index] ?? {}), 0);
    for (const client of clients) client.destroy();
    const expected = count * groupsPerUser * missedPerGroup;
    if (failures[0] !== undefined) throw failures[0];
    if (entries !== expected) throw new Error(`The sessions resumed with ${entries} entries of ${expected}.`);
    progress("resume: the same with bare connections");
    const bareSeconds = await connectBare(count);
    return {
      title:
        `Resume of ${count} sessions (${size} users, ${groupsPerUser} groups each) after SIGKILL, ` +
        `${expected.toLocaleString("en")} missed entries.`,
      rows: [
        {
          what: "until the last has everything",
          ours: readable(seconds, "s"),
          peer: "ws, bare connections",
          theirs: readable(bareSeconds, "s"),
          ratio: seconds / bareSeconds,
          aim: atMost(seconds, 10, "≤ 10 s"),
        },
      ],
      figures: { resume_5000_s: seconds },
    };
  } finally {
    await server.close();
  }
}

async function sendMissed(
  server: Awaited<ReturnType<typeof startTidings>>,
  groups: readonly string[],
  tokenOf: (session: number) => string,
): Promise<void> {
  const nextId = createMessageIds();
  await inParallel({ count: groups.length * missedPerGroup, parallel: 16 }, async (index) => {
    const group = index % groups.length;
    const body = { message_id: nextId(), text: messageText };
    await server.http.call("POST", `/v1/conversations/${groups[group]}/messages`, { token: tokenOf(group), body });
  });
}

/** Each client comes at a moment of its own within the jitter; seconds from now until the last is done. */
async function comeBack<T>(
  count: number,
  open: (index: number) => Promise<T>,
): Promise<{ seconds: number; clients: T[] }> {
  const beganMs = performance.now();
  const clients = await inParallel({ count, parallel: count }, async (index) => {
    await sleep(Math.random() * jitterMs);
    return open(index);
  });
  return { seconds: (performance.now() - beganMs) / 1_000, clients };
}

async function connectBare(count: number): Promise<number> {
  const peer = await startServer([fileURLToPath(new URL("../peers/ws-loop.ts", import.meta.url))]);
  try {
    const { seconds, clients } = await comeBack(count, () =>
      untilAdmitted(() => openRawSocket({ port: peer.port, path: "/", onText: () => undefined })),
    );
    for (const client of clients) client.destroy();
    return seconds;
  } finally {
    await peer.kill();
  }
}
