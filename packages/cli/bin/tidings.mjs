#!/usr/bin/env node
// Plain JavaScript that an old Node can read too: it only makes sure that the command runs on a Node new enough for the rest.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const majorNeeded = 24;

if (Number(process.versions.node.split(".")[0]) >= majorNeeded) {
  // Compiled code is kept between runs, which halves the time to start; in a folder that only its user can write.
  module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tidings"));
  const { main } = await import("../src/main.ts");
  process.exitCode = await main(process.argv.slice(2));
} else {
  const runtime = pinnedRuntime();
  if (runtime === undefined) {
    process.stderr.write(
      `tidings: needs Node ${majorNeeded} or newer, and this is ${process.version}. ` +
        'The npm package "node" brings one: run npm ci.\n',
    );
    process.exitCode = 1;
  } else {
    runOn(runtime);
  }
}

/** The runtime of the npm package `node`, if its install script has put one there. */
function pinnedRuntime() {
  try {
    const manifest = module.createRequire(import.meta.url).resolve("node/package.json");
    const bin = JSON.parse(readFileSync(manifest, "utf8")).bin;
    const path = join(dirname(manifest), typeof bin === "string" ? bin : bin.node);
    return existsSync(path) ? path : undefined;
  } catch (cause) {
    if (cause.code === "MODULE_NOT_FOUND") return undefined;
    throw cause;
  }
}

function runOn(runtime) {
  const child = spawn(runtime, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal sends SIGINT to the child by itself; passing it on would make two of one Ctrl-C.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGHUP", () => child.kill("SIGHUP"));
  child.on("error", (error) => {
    process.stderr.write(`tidings: cannot start ${runtime}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}
