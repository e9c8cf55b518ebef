import { flushCompileCache } from "node:module";
import type { Links } from "@tidings/core";
import { createMemoryLinks } from "@tidings/engine-memory";
import { backupSqlite, examineSqlite, openSqliteArchive, openSqliteEngine } from "@tidings/engine-sqlite";
import { TidingsError } from "@tidings/protocol";
import type { Logger } from "pino";
import { composeTidings } from "./compose.ts";
import { checkSettings } from "./doctor/check-settings.ts";
import { examineEmbedded, noDataFolder } from "./doctor/examine-embedded.ts";
import { examineFleet, type FleetExaminers } from "./doctor/examine-fleet.ts";
import { conclusionOf, findingLines } from "./doctor/finding.ts";
import type { FleetOpeners } from "./fleet-openers.ts";
import { runMigration } from "./migrate/run-migration.ts";
import type { Tracing } from "./observing/tracing.ts";
import { serveFleetMachine } from "./programs/serve-fleet-machine.ts";
import type { Served } from "./programs/served.ts";
import { takeFlag, takeOption } from "./programs/take-option.ts";
import { findDataFolder, openDataFolder } from "./real/data-folder.ts";
import { abortedBySignals, endOnSignals, endWithParent } from "./real/end-of-process.ts";
import { createLog } from "./real/log.ts";
import { createRealClock } from "./real/real-clock.ts";
import { createRealRandom } from "./real/real-random.ts";
import { createSecretHider, secretsOfUrl } from "./secrets.ts";
import { drawMachineId } from "./receive-service/receive-service.ts";
import { databaseUrlOf, type FleetPlace, fleetPlaceOf, secretsOf } from "./settings-fleet.ts";
import { parseSettings, type Settings, SettingsError, settingsHelp, unknownVariables } from "./settings.ts";

/**
 * The server's program. The one place that knows which engines there are: the embedded Tidings is SQLite for the databases and
 * the process itself for the ways between services; a machine of a fleet has PostgreSQL and NATS.
 */
const usage = `Usage: tidings serve|doctor [options]
       tidings backup --to FILE [options]
       tidings migrate --data DIR --database-url URL [--json]

  serve    run Tidings, or a machine of a fleet where PostgreSQL and NATS are named
  doctor   say what an acknowledgement is worth here, and what is amiss
  backup   copy the database into FILE, also while it is served
  migrate  copy an embedded server's installation into PostgreSQL; run again, it goes on

Options:
${settingsHelp()}
`;

const exitCodes = { done: 0, failed: 1, usage: 2 } as const;
const [command, ...argv] = process.argv.slice(2);
const clock = createRealClock();
const random = createRealRandom();
/** Replaced as soon as it is known which secrets there are. */
let hideSecrets = createSecretHider([]);

process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof SettingsError) {
    for (const problem of error.problems) console.error(`tidings: ${hideSecrets(problem)}`);
    console.error("tidings: --help lists the options.");
    return exitCodes.usage;
  }
  if (error instanceof TidingsError || isSystemError(error)) {
    console.error(`tidings: ${hideSecrets(error.message)}`);
    return exitCodes.failed;
  }
  console.error(hideSecrets(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  return exitCodes.failed;
});

async function main(): Promise<number> {
  if (command === undefined || command === "help" || process.argv.includes("--help")) {
    console.log(usage);
    return command === undefined ? exitCodes.usage : exitCodes.done;
  }
  switch (command) {
    case "serve":
      return await serve(parseSettings(argv, process.env));
    case "doctor":
      return await doctor(takeFlag(argv, "--json"));
    case "backup":
      return await backup();
    case "migrate":
      return await migrate(takeFlag(argv, "--json"));
    default:
      throw new SettingsError([`There is no command ${JSON.stringify(command)}.`]);
  }
}

async function serve(settings: Settings): Promise<number> {
  const place = placeOf(settings);
  if (process.env["TIDINGS_END_WITH_PARENT"] === "1") endWithParent();
  const machine = drawMachineId(random);
  const context = place === undefined ? {} : { machine, roles: settings.roles };
  const log = createLog({ level: settings.logLevel, hide: hideSecrets, context });
  for (const name of unknownVariables(process.env)) log.warn(`${name} is not one of our variables.`);
  const tracing = await openTracing(settings, { machine, log });
  const base = { settings, clock, random, log, ...(tracing !== undefined && { tracing }) };
  const served =
    place === undefined
      ? await openEmbedded(base)
      : serveFleetMachine({
          ...base,
          machine,
          openers: openersOf(settings, { place, log }),
          deliveries: noDeliveries(),
        });
  const ended = endOnSignals(served, base);
  const listening = await served.start().catch(async (error: unknown) => {
    // The port may be taken: what was opened before must not keep the process alive.
    await served.stop();
    throw error;
  });
  if (listening !== undefined) console.log(`Tidings listens on ${listening.url}`);
  // Where NODE_COMPILE_CACHE names a folder: also for who is killed before he ends.
  flushCompileCache();
  await ended;
  await tracing?.stop();
  // Whatever a library still holds open must not keep a drained server alive.
  setImmediate(() => process.exit());
  return exitCodes.done;
}

/** Where the settings place this server; nothing is shown from now on with their secrets in it. */
function placeOf(settings: Settings): FleetPlace | undefined {
  const place = fleetPlaceOf(settings);
  if (place !== undefined) hideSecrets = createSecretHider(secretsOf(place));
  return place;
}

async function openTracing(
  { otlpUrl: url, traceRatio: ratio, installation }: Settings,
  { machine, log }: { machine: string; log: Logger },
): Promise<Tracing | undefined> {
  if (url === undefined) return undefined;
  const { openTelemetry } = await import("./real/open-telemetry.ts");
  const resource = { "service.name": installation, "service.instance.id": machine };
  return openTelemetry({ url, ratio, resource, clock, log });
}

async function openEmbedded(base: { settings: Settings; log: Logger; tracing?: Tracing }): Promise<Served> {
  const engine = await openSqliteEngine({ file: openDataFolder(base.settings.data).database, clock });
  const tidings = await composeTidings({
    ...base,
    clock,
    random,
    stores: engine.stores,
    links: createMemoryLinks({ clock }),
    storeCounts: () => engine.stats,
  });
  return {
    start: () => tidings.start(),
    async drain() {
      await tidings.drain();
      await engine.drain();
      await engine.stop();
    },
    async stop() {
      await tidings.stop();
      await engine.stop();
    },
  };
}

/** Engines of a fleet are loaded only by its machines. */
function openersOf(settings: Settings, { place, log }: { place: FleetPlace; log: Logger }): FleetOpeners {
  return {
    databases: {
      name: "PostgreSQL",
      async open() {
        const { openPostgresEngine } = await import("@tidings/engine-postgres");
        const connectionsMax = settings.databaseConnectionsMax;
        return await openPostgresEngine({ url: place.databaseUrl, clock, log, connectionsMax });
      },
    },
    broker: {
      name: "NATS",
      async open() {
        const { openNatsEngine } = await import("@tidings/engine-nats");
        return await openNatsEngine({
          servers: place.natsServers,
          ...place.natsCredentials,
          name: settings.installation,
          partitions: settings.partitions,
          replicas: settings.logReplicas,
          retention: { bytesMax: settings.logBytesMax, ageMs: settings.logHours * 3_600_000 },
          clock,
          random,
          log,
        });
      },
    },
  };
}

/** In the log pipeline the log is the only queue. */
function noDeliveries(): Links["deliveries"] {
  return createMemoryLinks({ clock }).deliveries;
}

async function doctor({ given: json, rest }: { given: boolean; rest: string[] }): Promise<number> {
  const settings = parseSettings(rest, process.env);
  const place = placeOf(settings);
  const findings = [
    ...checkSettings(settings),
    ...(place === undefined
      ? examineEmbedded(settings, examineSqlite)
      : await examineFleet(settings, { examiners: examinersOf(settings, place), clock })),
  ];
  const shown = json ? JSON.stringify({ findings }) : `${findingLines(findings)}\n\n${conclusionOf(findings)}`;
  console.log(hideSecrets(shown));
  return findings.some(({ level }) => level === "bad") ? exitCodes.failed : exitCodes.done;
}

function examinersOf(settings: Settings, place: FleetPlace): FleetExaminers {
  return {
    postgres: async () => (await import("@tidings/engine-postgres")).examinePostgres(place.databaseUrl),
    nats: async () =>
      (await import("@tidings/engine-nats")).examineNats({
        servers: place.natsServers,
        ...place.natsCredentials,
        name: settings.installation,
        monitorUrls: settings.natsMonitorUrls,
      }),
  };
}

async function backup(): Promise<number> {
  const { value: to, rest } = takeOption(argv, "--to");
  const { given: quiet, rest: options } = takeFlag(rest, "--quiet");
  if (to === undefined) throw new SettingsError(["backup needs --to FILE."]);
  const settings = parseSettings(options, process.env);
  if (placeOf(settings) !== undefined) {
    throw new SettingsError([
      "backup copies an embedded server's database; a fleet's is copied by PostgreSQL's tools.",
    ]);
  }
  const data = findDataFolder(settings.data);
  if (data === undefined) {
    console.error(`tidings: ${noDataFolder(settings).says}`);
    return exitCodes.failed;
  }
  await backupSqlite({
    file: data.database,
    to,
    onProgress: ({ pagesTotal, pagesLeft }) => {
      if (!quiet && process.stderr.isTTY) process.stderr.write(`\r${pagesTotal - pagesLeft} of ${pagesTotal} pages`);
    },
  });
  if (!quiet && process.stderr.isTTY) process.stderr.write("\n");
  console.log(`Copied to ${to}`);
  return exitCodes.done;
}

async function migrate({ given: json, rest }: { given: boolean; rest: string[] }): Promise<number> {
  const settings = parseSettings(rest, process.env);
  const databaseUrl = databaseUrlOf(settings);
  hideSecrets = createSecretHider(secretsOfUrl(databaseUrl));
  const log = createLog({ level: settings.logLevel, hide: hideSecrets, context: {} });
  return await runMigration({
    ...{ settings, databaseUrl, json, clock, random, log },
    links: createMemoryLinks({ clock }),
    openSource: openSqliteArchive,
    openTarget: async (url) => (await import("@tidings/engine-postgres")).openPostgresArchive({ url, clock }),
    print: (line) => console.log(hideSecrets(line)),
    note: (line) => console.error(hideSecrets(line)),
    signal: abortedBySignals(clock),
  });
}

/** What the operating system refused: an address in use, a folder that is not ours. */
function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "syscall" in error;
}
