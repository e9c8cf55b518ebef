import type { Fleet } from "../fleet/fleet.ts";
import { type FaultKind, faultKinds, planFault } from "./faults.ts";
import { type LoadCounts, replayUntil } from "./load.ts";
import { type ProbeCounts, Probes } from "./probes.ts";

export type ChaosOptions = {
  readonly fleet: Fleet;
  readonly faults: number;
  readonly kinds: readonly FaultKind[];
  readonly files: readonly string[];
  readonly folder: string;
  readonly random: () => number;
  readonly onProgress: (sentence: string) => void;
};

export type ChaosResult = {
  /** In the order in which they came. `flowingMs`: from its beginning until messages flowed again between all, everywhere. */
  readonly faults: readonly { readonly kind: FaultKind; readonly target: string; readonly flowingMs: number }[];
  readonly load: LoadCounts;
  readonly probes: ProbeCounts;
};

/** Real conversations on a fleet while one thing after the other goes wrong: each kind in turn, in an order drawn anew each time. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { fleet, random, onProgress } = options;
  onProgress("People come and make groups.");
  const probes = await Probes.open(fleet.url, { groups: probeGroups, people: probePeople });
  const enough = new AbortController();
  const loading = replayUntil(enough.signal, { url: fleet.url, files: options.files, folder: options.folder });
  const faults: ChaosResult["faults"][number][] = [];
  try {
    await probes.untilFlowing(patienceMs);
    let turn: FaultKind[] = [];
    while (faults.length < options.faults) {
      if (turn.length === 0) turn = shuffled(options.kinds, random);
      const kind = turn.pop() as FaultKind;
      const fault = await planFault(kind, fleet, random);
      const beganMs = performance.now();
      await fault.begin();
      const flowing = probes.untilFlowing(patienceMs);
      // Whatever happens to the probes: what was broken is mended.
      const [flowingMs] = await Promise.all([flowing, endAfter(fault)]);
      faults.push({ kind, target: fault.target, flowingMs });
      onProgress(
        `${faults.length}. ${kind} of ${fault.target}: messages flowed again after ${Math.round(flowingMs)} ms ` +
          `(${Math.round(performance.now() - beganMs)} ms in all).`,
      );
      // Whole again before the next one: two at a time are another promise.
      await probes.untilFlowing(patienceMs);
    }
  } finally {
    enough.abort();
  }
  onProgress("The last conversations are finished.");
  const load = await loading;
  return { faults, load, probes: await probes.finish(patienceMs) };
}

async function endAfter(fault: { readonly lastsMs: number; readonly end: () => Promise<void> }): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, fault.lastsMs));
  await fault.end();
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const mixed = [...items];
  for (let index = mixed.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [mixed[index], mixed[other]] = [mixed[other] as Item, mixed[index] as Item];
  }
  return mixed;
}

export { faultKinds };

/** So many that each of two workers has some of them. */
const probeGroups = 12;
/** Some at each machine that receives. */
const probePeople = 6;
const patienceMs = 60_000;
