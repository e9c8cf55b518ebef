import { expect, test } from "vitest";
import { seekFault } from "../run/seek-fault.ts";
import { faults } from "./all-faults.ts";

test("there are at least twelve deliberate faults", () => {
  expect(new Set(faults.map(({ name }) => name)).size).toBeGreaterThanOrEqual(12);
});

/** Most are found by the first seeds; the bound keeps a checker that has gone blind from running for minutes. */
const seedsMax = 500;

test.each(faults)("$name is found: $mistake", { timeout: 120_000 }, async (fault) => {
  const found = await seekFault(fault, { seed: 1, seedsMax });
  expect(found, `Nobody saw in ${seedsMax} seeds: ${fault.mistake}`).toBeDefined();
  process.stdout.write(`${fault.name}: found by seed ${found?.seeds}: ${found?.by.slice(0, 160)}\n`);
});
