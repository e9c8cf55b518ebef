import { resolve } from "node:path";
import { pino } from "pino";
import { createMemoryLinks } from "@tidings/engine-memory";
import { backupSqlite, examineSqlite, openSqliteEngine } from "@tidings/engine-sqlite";
import { TidingsError } from "@tidings/protocol";
import { composeTidings } from "./compose.ts";
import { checkDisk } from "./doctor/check-disk.ts";
import { checkSettings } from "./doctor/check-settings.ts";
import { type Finding, findingLines } from "./doctor/finding.ts";
import { findDataFolder, openDataFolder } from "./real/data-folder.ts";
import { machineRoles } from "./machine-roles.ts";
import { createRealClock } from "./real/real-clock.ts";
import { createRealRandom } from "./real/real-random.ts";
import { parseSettings, type Settings, SettingsError, settingsHelp, unknownVariables } from "./settings.ts";

/**
 * The server's program. The one place that knows which engines there are: the embedded Tidings is SQLite for the databases and
 * the process itself for the ways between services.
 */
const usage = `Usage: tidings serve|doctor [options]
       tidings backup --to FILE [options]

  serve    run Tidings
  doctor   say what an acknowledgement is worth here, and what is amiss
  backup   copy the database into FILE, also while it is served

Options:
${settingsHelp()}
`;

const signalEchoMs = 1_000;
const exitCodes = { done: 0, failed: 1, usage: 2 } as const;
const [command, ...argv] = process.argv.slice(2);

process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof SettingsError) {
    for (const problem of error.problems) console.error(`tidings: ${problem}`);
    console.error("tidings: --help lists the options.");
    return exitCodes.usage;
  }
  if (error instanceof TidingsError || isSystemError(error)) {
    console.error(`tidings: ${error.message}`);
    return exitCodes.failed;
  }
  throw error;
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
    default:
      throw new SettingsError([`There is no command ${JSON.stringify(command)}.`]);
  }
}

async function serve(settings: Settings): Promise<number> {
  if (machineRoles.some((role) => !settings.roles.includes(role))) {
    throw new SettingsError([
      "A server with its database inside does everything: --roles are for machines of a fleet.",
    ]);
  }
  if (process.env["TIDINGS_END_WITH_PARENT"] === "1") endWithParent();
  const log = pino({ level: settings.logLevel }, pino.destination(2));
  for (const name of unknownVariables(process.env)) log.warn(`${name} is not one of our variables.`);
  const clock = createRealClock();
  const data = openDataFolder(settings.data);
  const engine = await openSqliteEngine({ file: data.database, clock });
  const tidings = await composeTidings({
    stores: engine.stores,
    links: createMemoryLinks({ clock }),
    settings,
    clock,
    random: createRealRandom(),
    log,
    storeCounts: () => engine.stats,
  });

  const ended = new Promise<void>((resolve, reject) => {
    let firstMs: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      // The terminal, npm and the start script each pass on one Ctrl-C: that is not somebody who has lost patience.
      if (firstMs !== undefined && clock.monotonicMs() - firstMs < signalEchoMs) return;
      log.info({ signal }, firstMs === undefined ? "Draining; a second signal ends at once." : "Ending at once.");
      const end = firstMs === undefined ? tidings.drain() : tidings.stop();
      firstMs ??= clock.monotonicMs();
      end.then(resolve, reject);
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  });
  const { url } = await tidings.start().catch(async (error: unknown) => {
    // The port may be taken: what was opened before must not keep the process alive.
    await tidings.stop();
    await engine.stop();
    throw error;
  });
  console.log(`Tidings listens on ${url}`);
  await ended;
  await engine.drain();
  await engine.stop();
  // Whatever a library still holds open must not keep a drained server alive.
  setImmediate(() => process.exit());
  return exitCodes.done;
}

/**
 * Who starts a server for himself alone, as a replay does, gives it a channel (`ipc`), which closes when he ends, however he does.
 * Then nobody is left who would end the server, or hear of it.
 */
function endWithParent(): void {
  process.once("disconnect", () => process.exit(exitCodes.failed));
  process.channel?.unref();
}

async function doctor({ given: json, rest }: { given: boolean; rest: string[] }): Promise<number> {
  const settings = parseSettings(rest, process.env);
  const data = findDataFolder(settings.data);
  const findings: Finding[] = [
    ...checkSettings(settings),
    ...(data === undefined ? [noDataFolder(settings)] : checkDisk(data.folder)),
    ...(data === undefined ? [] : [checkDatabase(data.database)]),
  ];
  console.log(json ? JSON.stringify({ findings }) : findingLines(findings));
  const bad = findings.filter(({ level }) => level === "bad").length;
  if (!json)
    console.log(bad === 0 ? "\nAn acknowledged message survives the loss of power here." : `\n${bad} to be mended.`);
  return bad === 0 ? exitCodes.done : exitCodes.failed;
}

function noDataFolder({ data }: Settings): Finding {
  return { level: "bad", what: "data folder", says: `There is no data folder at ${resolve(data)}.` };
}

/** Looking must not make what it looks for: a mistyped --data would otherwise be found to be in the best of health. */
function checkDatabase(file: string): Finding {
  const what = "database";
  const found = examineSqlite(file);
  switch (found.state) {
    case "sound":
      return {
        level: "good",
        what,
        says: "SQLite; it is served with a write-ahead log and synchronous=FULL, every commit fsynced, or not at all",
      };
    case "served":
      return { level: "note", what, says: `A process serves ${file} at this moment; it looked at it when it started.` };
    case "missing":
      return { level: "note", what, says: "There is none yet: the first start makes it." };
    case "refused":
      return { level: "bad", what, says: found.sentence };
  }
}

async function backup(): Promise<number> {
  const { value: to, rest } = takeOption(argv, "--to");
  const { given: quiet, rest: options } = takeFlag(rest, "--quiet");
  if (to === undefined) throw new SettingsError(["backup needs --to FILE."]);
  const settings = parseSettings(options, process.env);
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

function takeFlag(from: readonly string[], flag: string): { given: boolean; rest: string[] } {
  return { given: from.includes(flag), rest: from.filter((argument) => argument !== flag) };
}

function takeOption(from: readonly string[], flag: string): { value: string | undefined; rest: string[] } {
  const inline = from.find((argument) => argument.startsWith(`${flag}=`));
  if (inline !== undefined)
    return { value: inline.slice(flag.length + 1), rest: from.filter((argument) => argument !== inline) };
  const index = from.indexOf(flag);
  if (index === -1) return { value: undefined, rest: [...from] };
  return { value: from[index + 1], rest: [...from.slice(0, index), ...from.slice(index + 2)] };
}

/** What the operating system refused: an address in use, a folder that is not ours. */
function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "syscall" in error;
}
