import type { Fleet } from "../fleet/fleet.ts";
import { type LoadCounts, replayUntil } from "./load.ts";
import { type ProbeCounts, Probes } from "./probes.ts";

export type RollingResult = {
  readonly processes: number;
  readonly sessions: number;
  /** How often a session came back, and the most that did within any one second. */
  readonly reconnects: number;
  readonly mostInASecond: number;
  readonly load: LoadCounts;
  readonly probes: ProbeCounts;
};

/**
 * Every process of Tidings is stopped in order and started again, one after the other, while conversations go on (G11): what a new
 * version is brought out with.
 */
export async function restartAll(options: {
  readonly fleet: Fleet;
  readonly files: readonly string[];
  readonly folder: string;
  readonly onProgress: (sentence: string) => void;
}): Promise<RollingResult> {
  const { fleet, onProgress } = options;
  onProgress("People come and make groups.");
  const probes = await Probes.open(fleet.url, { groups: 2, people });
  const first = probes.welcomesMs.length;
  const enough = new AbortController();
  const loading = replayUntil(enough.signal, { url: fleet.url, files: options.files, folder: options.folder });
  try {
    await probes.untilFlowing(patienceMs);
    for (const { process } of fleet.machines) {
      const beganMs = performance.now();
      await process.stop();
      const stoppedMs = performance.now();
      await process.start();
      await probes.untilFlowing(patienceMs);
      onProgress(`${process.name} drained in ${Math.round(stoppedMs - beganMs)} ms and serves again.`);
    }
  } finally {
    enough.abort();
  }
  onProgress("The last conversations are finished.");
  const load = await loading;
  const again = probes.welcomesMs.slice(first);
  return {
    processes: fleet.machines.length,
    sessions: people,
    reconnects: again.length,
    mostInASecond: mostWithin(again, 1_000),
    load,
    probes: await probes.finish(patienceMs),
  };
}

/** The most of these times that lie within a stretch of that length; they ascend. */
export function mostWithin(timesMs: readonly number[], stretchMs: number): number {
  let most = 0;
  let begin = 0;
  for (const [end, timeMs] of timesMs.entries()) {
    while (timeMs - (timesMs[begin] ?? 0) >= stretchMs) begin += 1;
    most = Math.max(most, end - begin + 1);
  }
  return most;
}

const people = 120;
const patienceMs = 60_000;
