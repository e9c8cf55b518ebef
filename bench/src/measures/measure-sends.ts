import { runSqliteLoop } from "../floors/run-sqlite-loop.ts";
import { createSessions, type Load, runSends, type SendingSessions, type SendRound } from "../load/sends.ts";
import { atLeast, type Measurement, type Row, readable } from "../report.ts";
import { median, medianRatio, percentile } from "../statistics.ts";
import { startTidings } from "../tidings-server.ts";
import type { MeasureOptions } from "./measure-options.ts";

const loads: readonly Load[] = [
  { sessions: 1, window: 1 },
  { sessions: 1, window: 8 },
  { sessions: 10, window: 8 },
  { sessions: 100, window: 1 },
  { sessions: 100, window: 8 },
];
const headline: Load = { sessions: 100, window: 8 };

/**
 * Acknowledged, durable sends. Session i sends into group i, whose members are it and its neighbour, so that each message
 * is also delivered twice. Beside it, in turn, a bare SQLite loop: same schema, rows of the same size, as many to a
 * transaction as Tidings had just before.
 */
export async function measureSends({ folder, quick, nodeFlags, progress }: MeasureOptions): Promise<Measurement> {
  const rounds = quick ? 1 : 2;
  const durationMs = quick ? 700 : 2_000;
  const started = await startTidings(folder, nodeFlags);
  const { process } = started;
  const server = { ...started, portOf: () => process.port, cpuMicroseconds: process.cpuMicroseconds };
  try {
    const rows: Row[] = [];
    let figures = {};
    const sessionsOf = new Map<number, SendingSessions>();
    for (const sessions of new Set(loads.map((load) => load.sessions))) {
      progress(`sends: connecting ${sessions} sessions`);
      sessionsOf.set(sessions, await createSessions(server, sessions));
    }
    await runSends(server, headline, sessionsOf, durationMs);
    for (const load of loads) {
      const ours: SendRound[] = [];
      const floor: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        progress(`sends: ${load.sessions} sessions, ${load.window} under way for each`);
        const result = await runSends(server, load, sessionsOf, durationMs);
        ours.push(result);
        progress(`sends: bare SQLite loop, ${readable(result.messagesPerCommit)} rows a transaction`);
        const groupSize = Math.max(1, Math.round(result.messagesPerCommit));
        floor.push(await runSqliteLoop({ folder, groupSize, conversations: load.sessions, durationMs }));
      }
      const perSecond = median(ours.map((round) => round.perSecond));
      const ratio = medianRatio(
        ours.map((round) => round.perSecond),
        floor,
      );
      const messagesPerCommit = median(ours.map((round) => round.messagesPerCommit));
      const isHeadline = load.sessions === headline.sessions && load.window === headline.window;
      const name = `${load.sessions} sessions × ${load.window}`;
      rows.push({
        what: `${name}, sends each second`,
        ours: readable(perSecond),
        peer: `SQLite loop, ${readable(messagesPerCommit)} rows a commit`,
        theirs: readable(median(floor)),
        ratio,
        ...(isHeadline ? { aim: atLeast(ratio, 0.5) } : {}),
      });
      const ackMs = ours.flatMap((round) => [...round.ackMs]);
      rows.push({
        what: `${name}, acknowledged after, p50 / p99`,
        ours: `${readable(percentile(ackMs, 0.5))} / ${readable(percentile(ackMs, 0.99), "ms")}`,
      });
      if (!isHeadline) continue;
      rows.push({
        what: `${name}, sends each second`,
        ours: readable(perSecond),
        aim: atLeast(perSecond, 15_000, "≥ 15,000"),
      });
      rows.push({
        what: `${name}, messages for each fsync`,
        ours: readable(messagesPerCommit),
        aim: atLeast(messagesPerCommit, 50),
      });
      const cpu = median(ours.map((round) => round.cpuMicrosecondsPerSend));
      rows.push({ what: `${name}, CPU for each send and its two deliveries`, ours: readable(cpu, "µs") });
      figures = { sends_per_s: perSecond, sends_vs_sqlite: ratio, messages_per_fsync: messagesPerCommit };
    }
    for (const { sessions } of sessionsOf.values()) for (const session of sessions) session.destroy();
    return { title: "Durable, acknowledged sends; each session into a group with its neighbour.", rows, figures };
  } finally {
    await started.close();
  }
}
