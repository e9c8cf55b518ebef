import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Fleet, startFleet } from "../fleet/fleet.ts";
import { loadFlags } from "../fleet/load-flags.ts";
import { type ChaosResult, runChaos } from "./chaos.ts";
import { type FaultKind, faultKinds } from "./faults.ts";
import { restartAll, type RollingResult } from "./rolling.ts";

/** `npm run chaos`: real conversations on a real fleet, and one thing after the other goes wrong. */

const interrupted = 130;
/** Where others take the sessions over, they go one by one. */
const gentleDrain = "--drain-ms=20000";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    faults: { type: "string", default: "100" },
    only: { type: "string", multiple: true, default: [] },
    rolling: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run chaos -- [options] [transcript…]
  Starts a fleet as \`npm run cluster\` does, replays conversations on it, and breaks one thing after the other meanwhile.
  --faults N    (100)
  --only KIND   of ${faultKinds.join(", ")}; may be repeated
  --rolling     instead: every process of Tidings is stopped in order and started again, one after the other
  --json        the last line is one JSON object
  transcript    files to replay (the samples of the command line)
`);
} else {
  process.exitCode = await run();
}

async function run(): Promise<number> {
  const faults = Number(values.faults);
  const kinds = values.only.length === 0 ? faultKinds : values.only.filter(isKind);
  if (!Number.isSafeInteger(faults) || faults < 1 || kinds.length < Math.min(1, values.only.length)) {
    process.stderr.write("--faults is a whole number from 1 on, and --only one of the kinds that --help lists.\n");
    return 2;
  }
  const beganMs = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "tidings-chaos-"));
  const tell = (sentence: string): void => {
    process.stderr.write(`${((performance.now() - beganMs) / 1_000).toFixed(1)} s  ${sentence}\n`);
  };
  tell(`Logs are in ${folder}.`);
  let fleet: Fleet | undefined;
  // What we started is killed when we end, however that is.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(interrupted));
  try {
    fleet = await startFleet({
      folder,
      canCut: true,
      flags: values.rolling ? [...loadFlags, gentleDrain] : loadFlags,
      onProgress: (what) => tell(`Starting ${what}.`),
    });
    const files = positionals.length > 0 ? positionals : samples();
    if (values.rolling) return rolling(await restartAll({ fleet, files, folder, onProgress: tell }), tell, beganMs);
    const result = await runChaos({ fleet, faults, kinds, files, folder, random: Math.random, onProgress: tell });
    for (const failure of result.load.failures) tell(`A replay could not go on: ${failure}`);
    for (const trouble of [...result.load.troubles, ...result.probes.troubles]) tell(trouble);
    report(result, tell);
    const line = summaryOf(result, (performance.now() - beganMs) / 1_000);
    process.stdout.write(`${JSON.stringify(line)}\n`);
    const bad = line.lost + line.duplicated + line.misordered + result.load.failures.length;
    return bad === 0 && line.sent === line.acked ? 0 : 1;
  } finally {
    await fleet?.stop();
  }
}

function rolling(result: RollingResult, tell: (sentence: string) => void, beganMs: number): number {
  const { load, probes, processes, sessions, reconnects, mostInASecond } = result;
  for (const failure of load.failures) tell(`A replay could not go on: ${failure}`);
  for (const trouble of [...load.troubles, ...probes.troubles]) tell(trouble);
  const line = {
    processes,
    sessions,
    reconnects,
    most_in_a_second: mostInASecond,
    most_share: mostInASecond / sessions,
    ...countsOf(load, probes),
    seconds: Math.round((performance.now() - beganMs) / 1_000),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  const bad = line.lost + line.duplicated + line.misordered + load.failures.length;
  return bad === 0 && line.sent === line.acked ? 0 : 1;
}

function countsOf(load: ChaosResult["load"], probes: ChaosResult["probes"]) {
  return {
    sent: load.sent + probes.sent,
    acked: load.acked + probes.acked,
    lost: load.lost + probes.lost,
    duplicated: load.duplicated + probes.duplicated,
    misordered: load.misordered + probes.misordered,
  };
}

function summaryOf({ faults, load, probes }: ChaosResult, seconds: number) {
  const failovers = faults.map(({ flowingMs }) => flowingMs).sort((a, b) => a - b);
  return {
    faults: faults.length,
    ...countsOf(load, probes),
    failover_p50_ms: Math.round(failovers[Math.floor((failovers.length - 1) / 2)] ?? 0),
    failover_max_ms: Math.round(failovers.at(-1) ?? 0),
    seconds: Math.round(seconds),
  };
}

/** Each kind's times, for people. */
function report({ faults, load }: ChaosResult, tell: (sentence: string) => void): void {
  tell(`${load.replays} replays.`);
  for (const kind of faultKinds) {
    const times = faults.flatMap((one) => (one.kind === kind ? [one.flowingMs] : [])).sort((a, b) => a - b);
    if (times.length === 0) continue;
    const middle = times[Math.floor((times.length - 1) / 2)] ?? 0;
    tell(
      `${kind}: ${times.length} times; flowing again after ${Math.round(middle)} ms, at most ${Math.round(times.at(-1) ?? 0)} ms`,
    );
  }
}

function isKind(name: string): name is FaultKind {
  return faultKinds.some((kind) => kind === name);
}

function samples(): string[] {
  const folder = fileURLToPath(new URL("../../../packages/cli/samples/irc/", import.meta.url));
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .map((name) => join(folder, name));
}
