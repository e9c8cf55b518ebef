// Makes a clone ready to run: dependencies installed, and the pinned runtime (the npm package `node`) in its place.
// Plain JavaScript that an older Node understands, because it runs before the pinned one is there.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binFolder = join(root, "node_modules", ".bin");

// The first release with `crypto.argon2`, which the accounts need.
const versionMin = [24, 7, 0];

/** Installs what is missing and answers with the path of a runtime that is new enough; exits with a sentence if it cannot. */
export function prepare() {
  if (!dependenciesInstalled()) install();
  const runtime = findRuntime() ?? repairRuntime();
  return runtime;
}

/** Starts a program with the runtime first on PATH, passes signals to it, and ends as it ends. */
export function runInPlace(runtime, args) {
  const child = spawn(runtime, args, { stdio: "inherit", env: environment(runtime) });
  passSignals(child);
  child.on("error", (error) => fail(`Could not start ${runtime}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + (signalNumbers[signal] ?? 0)));
}

/** The environment of this process with the runtime, and the tools of the workspace, first on PATH. */
export function environment(runtime) {
  const path = [dirname(runtime), binFolder, process.env.PATH ?? ""].join(delimiter);
  return { ...process.env, PATH: path };
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

// A terminal sends Ctrl-C to every process of the group and npm passes it on once more, so that one key stroke may arrive
// here twice. To the child that would look like somebody who has lost patience, therefore only the first is passed on.
export function passSignals(child) {
  if (process.env.npm_lifecycle_event !== undefined) endWithParent(child);
  const echoMs = 500;
  const lastMs = {};
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      const nowMs = Date.now();
      if (nowMs - (lastMs[signal] ?? 0) > echoMs) child.kill(signal);
      lastMs[signal] = nowMs;
    });
  }
}

// npm starts a script through a shell, and a shell that is told to end does not tell its child. Whoever ends npm means us, too.
function endWithParent(child) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill("SIGTERM");
  }, 500);
  watch.unref();
}

// Every package that the lock file asks for is installed in that version. npm notes what it installed in a file of its own.
// Packages for other platforms are optional and rightly absent.
function dependenciesInstalled() {
  const installedFile = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.includes("node_modules/") || entry.optional === true) return true;
    return installed[path] !== undefined && installed[path].version === entry.version;
  });
}

function install() {
  say("Installing dependencies; this takes a while, once.");
  const done = npm(["ci", "--include=dev", "--include=optional", "--loglevel=error", "--no-audit", "--no-fund"]);
  if (!done) fail("`npm ci` failed; its output is above. It needs npm 10 or newer and the package registry.");
}

function findRuntime() {
  const pinned = join(binFolder, process.platform === "win32" ? "node.cmd" : "node");
  return [pinned, process.execPath].find((candidate) => existsSync(candidate) && isNewEnough(candidate));
}

// Where install scripts are switched off (`ignore-scripts`), the package `node` is there without its program.
function repairRuntime() {
  say("Fetching the pinned runtime.");
  npm(["rebuild", "node", "--ignore-scripts=false", "--foreground-scripts", "--loglevel=error"]);
  const repaired = findRuntime();
  if (repaired !== undefined) return repaired;
  const home = join(root, "node_modules", "node");
  spawnSync(process.execPath, ["installArchSpecificPackage.js"], { cwd: home, stdio: ["ignore", 2, 2] });
  return (
    findRuntime() ??
    fail(
      `Tidings needs Node.js ${versionMin.join(".")} or newer. This is ${process.version}, and the pinned runtime could not be ` +
        "installed (its install script may be blocked). Install Node.js 24 and try again.",
    )
  );
}

function isNewEnough(program) {
  const answer =
    program === process.execPath ? process.version : spawnSync(program, ["--version"], { encoding: "utf8" }).stdout;
  const version = /^v(\d+)\.(\d+)\.(\d+)/.exec(answer ?? "");
  if (version === null) return false;
  for (const [index, least] of versionMin.entries()) {
    const part = Number(version[index + 1]);
    if (part !== least) return part > least;
  }
  return true;
}

// npm tells its scripts where it is; started by hand, it is on PATH. Its words go to stderr: stdout is the program's.
function npm(args) {
  const own = process.env.npm_execpath;
  const [command, ...first] = own !== undefined && /\.c?js$/.test(own) ? [process.execPath, own] : ["npm"];
  const shell = process.platform === "win32" && command === "npm";
  return spawnSync(command, [...first, ...args], { cwd: root, stdio: ["ignore", 2, 2], shell }).status === 0;
}

function say(sentence) {
  process.stderr.write(`${sentence}\n`);
}

function fail(sentence) {
  say(sentence);
  process.exit(1);
}
