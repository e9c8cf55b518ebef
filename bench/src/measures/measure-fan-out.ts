import { medianRatio, median } from "../statistics.ts";
import { atMost, type Measurement, type Row, readable } from "../report.ts";
import { type Crowd, createPeerCrowd } from "./crowd.ts";
import { type FanOutRound, runBusy, runQuiet } from "./fan-out.ts";
import type { MeasureOptions } from "./measure-options.ts";
import { createTidingsCrowd } from "./tidings-crowd.ts";

/**
 * One message to 1,000 sessions. All servers run at once, idle but for the one whose turn it is, and take turns:
 * a ratio is the median of those of single rounds.
 */
export async function measureFanOut({ folder, quick, nodeFlags, progress }: MeasureOptions): Promise<Measurement> {
  const size = quick ? 300 : 1_000;
  const rounds = quick ? 1 : 4;
  progress(`fan-out: connecting ${size} clients to each server`);
  const tidings = await createTidingsCrowd(folder, size, nodeFlags);
  const crowds: Crowd[] = [tidings];
  try {
    for (const peer of ["ws-loop", "raw-frames", "socketio-room"] as const)
      crowds.push(await createPeerCrowd(peer, size));
    for (const crowd of crowds) {
      progress(`fan-out: warming ${crowd.name}`);
      await runQuiet(crowd, 30);
      await runBusy(crowd, { durationMs: 500, window });
    }
    const quiet = await takeTurns(crowds, rounds, (crowd) => {
      progress(`fan-out: quiet, ${crowd.name}`);
      return runQuiet(crowd, quick ? 20 : 60);
    });
    const syncsBefore = tidings.syncs();
    const busy = await takeTurns(crowds, rounds, (crowd) => {
      progress(`fan-out: busy, ${crowd.name}`);
      return runBusy(crowd, { durationMs: quick ? 300 : 700, window });
    });
    const cpuRatio = (of: typeof quiet, peer: string): number => medianRatio(cpuOf(of, "tidings"), cpuOf(of, peer));
    const figures = {
      busy_deliveries_per_s: median((busy.get("tidings") ?? []).map((round) => round.deliveriesPerSecond)),
      busy_cpu_vs_ws: cpuRatio(busy, "ws-loop"),
      busy_cpu_vs_socketio: cpuRatio(busy, "socketio-room"),
      quiet_cpu_vs_raw: cpuRatio(quiet, "raw-frames"),
    };
    const row = (load: "quiet" | "busy", peer: string, aim?: (ratio: number) => Row["aim"]): Row => {
      const of = load === "quiet" ? quiet : busy;
      const ratio = cpuRatio(of, peer);
      return {
        what: `${load}, CPU for each delivery`,
        ours: readable(median(cpuOf(of, "tidings")), "µs"),
        peer: peerNames[peer] ?? peer,
        theirs: readable(median(cpuOf(of, peer)), "µs"),
        ratio,
        ...withAim(aim?.(ratio)),
      };
    };
    const speed = (peer: string): Row => {
      const theirs = (busy.get(peer) ?? []).map((round) => round.deliveriesPerSecond);
      return {
        what: "busy, deliveries each second",
        ours: readable(figures.busy_deliveries_per_s),
        peer: peerNames[peer] ?? peer,
        theirs: readable(median(theirs)),
        ratio: figures.busy_deliveries_per_s / median(theirs),
      };
    };
    const syncs = tidings.syncs() - syncsBefore;
    return {
      title:
        `Fan-out to ${size} sessions in one group. A delivery is one message at one client. Tidings stores each message ` +
        `durably first; the peers keep nothing.${syncs > 0 ? ` (${syncs} syncs of slow sessions.)` : ""}`,
      rows: [
        row("quiet", "raw-frames", (ratio) => atMost(ratio, 1.2)),
        row("quiet", "ws-loop"),
        row("quiet", "socketio-room"),
        row("busy", "ws-loop", (ratio) => atMost(ratio, 0.25, "≤ 1/4")),
        row("busy", "socketio-room", (ratio) => atMost(ratio, 0.125, "≤ 1/8")),
        row("busy", "raw-frames"),
        speed("ws-loop"),
      ],
      figures,
    };
  } finally {
    for (const crowd of crowds) await crowd.close();
  }
}

/** Messages on their way at a time when busy: each socket's share of them stays below the server's bound of unsent bytes. */
const window = 128;

const peerNames: Readonly<Record<string, string>> = {
  "ws-loop": "ws, send in a loop",
  "raw-frames": "pre-made frames, raw sockets",
  "socketio-room": "Socket.IO room",
};

async function takeTurns(
  crowds: readonly Crowd[],
  rounds: number,
  run: (crowd: Crowd) => Promise<FanOutRound>,
): Promise<Map<string, FanOutRound[]>> {
  const results = new Map<string, FanOutRound[]>(crowds.map((crowd) => [crowd.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const crowd of crowds) results.get(crowd.name)?.push(await run(crowd));
  }
  return results;
}

const cpuOf = (results: ReadonlyMap<string, readonly FanOutRound[]>, name: string): number[] =>
  (results.get(name) ?? []).map((round) => round.cpuMicrosecondsPerDelivery);

const withAim = (aim: Row["aim"]): Pick<Row, "aim"> => (aim === undefined ? {} : { aim });
