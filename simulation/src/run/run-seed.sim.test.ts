import { describe, expect, test } from "vitest";
import { Prng } from "../kernel/prng.ts";
import { defaultRun } from "./default-run.ts";
import { type RunResult, runSeed } from "./run-seed.ts";

describe("a run", () => {
  test("of one seed is the same again, event by event", async () => {
    const once = await runSeed({ ...defaultRun, seed: 4 });
    const again = await runSeed({ ...defaultRun, seed: 4 });
    expect(again).toEqual(once);
    expect(once.messages).toBeGreaterThan(20);
    const other = await runSeed({ ...defaultRun, seed: 5 });
    expect(other.traceHash).not.toBe(once.traceHash);
  });

  /**
   * Guarantees: G1, G2, G3, G4, G5, G6, G7, G8, G9. Fresh seeds every time; what fails here fails again with
   * `npm run simulate -- --seed S --seeds 1`.
   */
  test("of fresh seeds breaks no promise while anything fails, and converges afterwards", {
    timeout: 120_000,
  }, async () => {
    const first = freshSeed();
    process.stdout.write(`Seeds ${first} to ${first + seeds - 1}.\n`);
    const results: RunResult[] = [];
    for (let seed = first; seed < first + seeds; seed += 1) results.push(await runSeed({ ...defaultRun, seed }));
    const failed = results.filter(({ violations, missing }) => violations.length > 0 || missing.length > 0);
    expect(failed.map(({ seed, violations, missing }) => ({ seed, violations, missing }))).toEqual([]);
    // A world in which nothing happens would pass, too.
    for (const count of ["messages", "crashes", "partitions", "stalls"] as const) {
      expect(results.reduce((sum, result) => sum + result[count], 0)).toBeGreaterThan(0);
    }
  });
});

const seeds = 40;
const freshSeed = (): number => new Prng(Date.now(), "fresh").whole(1, 2 ** 31);
