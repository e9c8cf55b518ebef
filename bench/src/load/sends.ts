import { setTimeout as sleep } from "node:timers/promises";
import { createPopulation } from "../population.ts";
import type { TidingsServer } from "../tidings-server.ts";
import { Arrivals } from "./arrivals.ts";
import { createMessageIds } from "./message.ts";
import { inParallel } from "./raw-socket.ts";
import { TidingsSession } from "./tidings-session.ts";

/** `window`: messages that each session has sent and that are not acknowledged yet. */
export type Load = { readonly sessions: number; readonly window: number };

/** One server, or a fleet. */
export type SendServer = Pick<TidingsServer, "http" | "storeCounts"> & {
  /** Where the session with this number goes. */
  readonly portOf: (session: number) => number;
  readonly cpuMicroseconds: () => number;
};

export type SendingSessions = {
  readonly sessions: TidingsSession[];
  readonly groups: readonly string[];
  /** Acknowledgements, of all sessions. */
  readonly acks: Arrivals;
  /** Called for each of them. */
  handleAck: (session: number) => void;
};

export async function createSessions(server: SendServer, count: number): Promise<SendingSessions> {
  const { users, groups } = await createPopulation(server, {
    prefix: `send${count}`,
    users: count,
    groups: count,
    groupsPerUser: Math.min(2, count),
  });
  const sending: SendingSessions = { sessions: [], groups, acks: new Arrivals(), handleAck: () => undefined };
  const sessions = await inParallel({ count, parallel: 10 }, (index) =>
    TidingsSession.open({
      port: server.portOf(index),
      token: users[index]?.token ?? "",
      onAck: () => {
        sending.handleAck(index);
        sending.acks.add(1);
      },
      onFailure: (error) => sending.acks.fail(error),
    }),
  );
  sending.sessions.push(...sessions);
  return sending;
}

export type SendRound = {
  readonly perSecond: number;
  readonly messagesPerCommit: number;
  readonly cpuMicrosecondsPerSend: number;
  /** From each send to its acknowledgement. */
  readonly ackMs: readonly number[];
};

export async function runSends(
  server: SendServer,
  { sessions: count, window }: Load,
  sessionsOf: ReadonlyMap<number, SendingSessions>,
  durationMs: number,
): Promise<SendRound> {
  const sending = sessionsOf.get(count);
  if (sending === undefined) throw new Error(`There are no ${count} sessions.`);
  const { sessions, groups, acks } = sending;
  const nextId = createMessageIds();
  const ackMs: number[] = [];
  const before = await server.storeCounts();
  const cpuBefore = server.cpuMicroseconds();
  const startMs = performance.now();
  const endMs = startMs + durationMs;
  const acksBefore = acks.count;
  let sent = 0;
  let inTime = 0;
  // Acknowledgements of one session come in the order of its sends.
  const underWay = sessions.map((): number[] => []);
  const send = (index: number, nowMs: number): void => {
    sessions[index]?.send({ conversation: groups[index] ?? "", messageId: nextId() });
    underWay[index]?.push(nowMs);
    sent += 1;
  };
  sending.handleAck = (index) => {
    const nowMs = performance.now();
    ackMs.push(nowMs - (underWay[index]?.shift() ?? Number.NaN));
    if (nowMs > endMs) return;
    inTime += 1;
    send(index, nowMs);
  };
  for (let index = 0; index < sessions.length; index += 1) {
    for (let ahead = 0; ahead < window; ahead += 1) send(index, performance.now());
  }
  await sleep(durationMs);
  await acks.reach(acksBefore + sent);
  const cpu = server.cpuMicroseconds() - cpuBefore;
  const after = await server.storeCounts();
  return {
    perSecond: (inTime * 1_000) / durationMs,
    messagesPerCommit: (after.appends - before.appends) / (after.commits - before.commits),
    cpuMicrosecondsPerSend: cpu / sent,
    ackMs,
  };
}
