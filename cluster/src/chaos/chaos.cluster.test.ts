import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fleet, startFleet } from "../fleet/fleet.ts";
import { loadFlags } from "../fleet/load-flags.ts";
import { runChaos } from "./chaos.ts";
import { type FaultKind, faultKinds } from "./faults.ts";

/** Guarantees: G1, G2, G3, G4, G5, G6, G11. A fleet of real processes over real engines, of which some are killed. */
describe("a fleet of processes", () => {
  let folder: string;
  let fleet: Fleet;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tidings-chaos-test-"));
    fleet = await startFleet({ folder, canCut: true, flags: loadFlags });
  }, startMsMax);
  afterAll(async () => {
    await fleet?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, startMsMax);

  it(
    "loses, doubles and misorders nothing while one thing after the other goes wrong",
    async () => {
      const told: string[] = [];
      const { faults, load, probes } = await runChaos({
        fleet,
        faults: quickKinds.length,
        kinds: quickKinds,
        files: [writeTranscript(folder)],
        folder,
        random: Math.random,
        onProgress: (sentence) => told.push(sentence),
      });
      process.stdout.write(`${told.join("\n")}\n`);
      expect(faults.map(({ kind }) => kind).sort()).toEqual([...quickKinds].sort());
      expect(load.failures).toEqual([]);
      // People who say nothing would lose nothing.
      expect(load.sent).toBeGreaterThan(100);
      expect(load).toMatchObject({ acked: load.sent, lost: 0, duplicated: 0, misordered: 0 });
      expect(probes).toMatchObject({ acked: probes.sent, lost: 0, duplicated: 0, misordered: 0 });
    },
    chaosMsMax,
  );
});

/** Cuts take ten seconds each: `npm run chaos` has them. */
const quickKinds: readonly FaultKind[] = faultKinds.filter((kind) => !kind.startsWith("cut-"));
const startMsMax = 180_000;
const chaosMsMax = 240_000;

function writeTranscript(folder: string): string {
  const file = join(folder, "talk.txt");
  const lines = Array.from({ length: 150 }, (_, index) => {
    const minute = String(Math.floor(index / 10)).padStart(2, "0");
    return `[10:${minute}] <nick${index % 6}> ${index % 7 === 0 ? `nick${(index + 1) % 6}: ` : ""}line ${index}`;
  });
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}
