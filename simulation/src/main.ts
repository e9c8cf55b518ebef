import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { faults } from "./faults/all-faults.ts";
import { defaultRun } from "./run/default-run.ts";
import type { RunResult } from "./run/run-seed.ts";
import type { SeedJob } from "./run/seed-thread.ts";
import { Totals } from "./run/totals.ts";

/** `npm run simulate`: many seeds, on every core; see README.md. */

/** Of what one run lacks. */
const linesMax = 10;
/** Most of what a world makes is gone with the event that made it: a large young generation is rarely collected. */
const resourceLimits = { maxYoungGenerationSizeMb: 256 };

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    seed: { type: "string" },
    json: { type: "boolean", default: false },
    fault: { type: "string" },
    machines: { type: "string", default: String(defaultRun.machines) },
    workers: { type: "string", default: String(defaultRun.workers) },
    clients: { type: "string", default: String(defaultRun.clients) },
    seconds: { type: "string", default: String(defaultRun.safetyMs / 1_000) },
    threads: { type: "string", default: String(availableParallelism()) },
    log: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run simulate -- [options]
  --seeds N       how many seeds (100)
  --seed S        the first of them; drawn and printed where it is absent
  --machines N, --workers N, --clients N
  --seconds N     how long things go wrong in each run (${defaultRun.safetyMs / 1_000})
  --fault NAME    with a deliberate fault: ${faults.map(({ name }) => name).join(", ")}
  --log           what the machines log
  --threads N     how many cores
  --json          the last line as JSON only
`);
} else {
  process.exitCode = await simulate();
}

async function simulate(): Promise<number> {
  setFlagsFromString("--min-semi-space-size=64");
  const seeds = whole("seeds", values.seeds);
  const first = values.seed === undefined ? drawSeed() : whole("seed", values.seed);
  const run = {
    machines: whole("machines", values.machines),
    workers: whole("workers", values.workers),
    clients: whole("clients", values.clients),
    safetyMs: whole("seconds", values.seconds) * 1_000,
  };
  process.stdout.write(`Seeds ${first} to ${first + seeds - 1}.\n`);
  const totals = new Totals();
  let next = first;
  const takeJob = (): SeedJob | undefined => {
    if (next >= first + seeds) return undefined;
    const job = { ...run, seed: next, log: values.log, ...(values.fault === undefined ? {} : { fault: values.fault }) };
    next += 1;
    return job;
  };
  const threads = Math.min(whole("threads", values.threads), seeds);
  await Promise.all(Array.from({ length: threads }, () => runThread(takeJob, (result) => report(totals, result))));
  const { user, system } = process.cpuUsage();
  const line = JSON.stringify(totals.line((user + system) / 1e6));
  process.stdout.write(values.json ? `${line}\n` : `${line.replaceAll(",", ", ")}\n`);
  return totals.isGood ? 0 : 1;
}

/** One thread, which gets a seed at a time. */
function runThread(takeJob: () => SeedJob | undefined, done: (result: RunResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL("./run/seed-thread.ts", import.meta.url), { resourceLimits });
    const give = (): void => {
      const job = takeJob();
      if (job === undefined) void thread.terminate().then(() => resolve());
      else thread.postMessage(job);
    };
    thread.on("message", (result: RunResult) => {
      done(result);
      give();
    });
    thread.on("error", reject);
    give();
  });
}

function report(totals: Totals, result: RunResult): void {
  totals.add(result);
  if (result.violations.length === 0 && result.missing.length === 0) return;
  const flags = Object.entries({
    machines: values.machines,
    workers: values.workers,
    clients: values.clients,
    seconds: values.seconds,
  })
    .map(([name, value]) => `--${name} ${value}`)
    .join(" ");
  const fault = values.fault === undefined ? "" : ` --fault ${values.fault}`;
  process.stdout.write(`Seed ${result.seed} failed (trace ${result.traceHash}):\n`);
  for (const { promise, atMs, sentence } of result.violations)
    process.stdout.write(`  ${promise} at ${atMs.toFixed(1)} ms: ${sentence}\n`);
  for (const one of result.missing.slice(0, linesMax)) process.stdout.write(`  not converged: ${one}\n`);
  process.stdout.write(`  again: npm run simulate -- --seed ${result.seed} --seeds 1 ${flags}${fault}\n`);
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name} is a whole number, not ${text}.`);
}

/** Fresh seeds for every run; what is found with them is found again by its number. */
function drawSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
