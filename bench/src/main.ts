import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureFanOut } from "./measures/measure-fan-out.ts";
import { measureFleet } from "./measures/measure-fleet.ts";
import { measureLatency } from "./measures/measure-latency.ts";
import { measureMemory } from "./measures/measure-memory.ts";
import type { MeasureOptions } from "./measures/measure-options.ts";
import { measureResume } from "./measures/measure-resume.ts";
import { measureSends } from "./measures/measure-sends.ts";
import { type Figures, type Measurement, rounded, table } from "./report.ts";

const measures: Readonly<Record<string, (options: MeasureOptions) => Promise<Measurement>>> = {
  "fan-out": measureFanOut,
  sends: measureSends,
  latency: measureLatency,
  memory: measureMemory,
  resume: measureResume,
  fleet: measureFleet,
};

const help = `npm run bench -- [OPTION]…

Measures Tidings beside peers and floors, in turn and in one run; about five minutes. The load runs on the same machine.

  --only NAME    one of ${Object.keys(measures).join(", ")}; may be repeated
  --quick        a small run, to see that everything works: its figures say little
  --json         one JSON object with the figures as the last line; the tables go to the standard error
  --folder DIR   where servers put their data: on the file system to be measured (default: ${tmpdir()})
  --node-flags=F flags for the Node that runs Tidings, for instance "--cpu-prof --cpu-prof-dir=profile"
  --help
`;

// Servers that were started are killed when this process ends, however it does.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

try {
  const values = readArguments();
  if (values.help) process.stdout.write(help);
  else process.exitCode = await run(values);
} catch (error) {
  if (!(error instanceof TypeError) || !("code" in error) || !String(error.code).startsWith("ERR_PARSE_ARGS"))
    throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

function readArguments() {
  return parseArgs({
    options: {
      only: { type: "string", multiple: true, default: Object.keys(measures) },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      folder: { type: "string", default: tmpdir() },
      "node-flags": { type: "string", default: "" },
      help: { type: "boolean", default: false },
    },
  }).values;
}

async function run(values: ReturnType<typeof readArguments>): Promise<number> {
  const unknown = values.only.filter((name) => measures[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(
      `There is no measurement ${unknown.join(", ")}. There are ${Object.keys(measures).join(", ")}.\n`,
    );
    return 2;
  }
  const folder = mkdtempSync(join(values.folder, "tidings-bench-"));
  const report = values.json ? process.stderr : process.stdout;
  const figures: Figures = {};
  try {
    for (const name of values.only) {
      const measurement = await measures[name]?.({
        folder,
        quick: values.quick,
        nodeFlags: values["node-flags"].split(" ").filter((flag) => flag !== ""),
        progress,
      });
      if (measurement === undefined) continue;
      progress("");
      report.write(`${table(measurement)}\n\n`);
      Object.assign(figures, measurement.figures);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (values.json) console.log(JSON.stringify(rounded(figures)));
  return 0;
}

/** One line that is written over, and only for a person. */
function progress(sentence: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${sentence}`);
}
