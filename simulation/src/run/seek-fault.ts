import type { Fault } from "../faults/fault.ts";
import { defaultRun } from "./default-run.ts";
import { runSeed } from "./run-seed.ts";

export type Found = { readonly seeds: number; readonly by: string };

/** How many seeds it takes to find a deliberate fault, and by what; undefined if it takes more than `seedsMax`. */
export async function seekFault(
  fault: Fault,
  options: { readonly seed: number; readonly seedsMax: number },
): Promise<Found | undefined> {
  for (let seeds = 1; seeds <= options.seedsMax; seeds += 1) {
    const { violations, missing } = await runSeed({ ...defaultRun, seed: options.seed + seeds - 1, fault });
    const [first] = violations;
    if (first !== undefined) return { seeds, by: `${first.promise}: ${first.sentence}` };
    if (missing[0] !== undefined) return { seeds, by: `not converged: ${missing[0]}` };
  }
  return undefined;
}
