import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { installDebianPackages, whyNotInstallable } from "./debian-package.ts";

const run = promisify(execFile);

/** The oldest version that Tidings is for. */
const versionMin = 15;
const debianFolder = "/usr/lib/postgresql";

/**
 * Why there is no PostgreSQL server to test with, as a sentence; undefined if there is one, which is installed where that is possible.
 * Under CI it throws the sentence instead: there, nothing is left out in silence.
 */
export async function whyNoPostgres(): Promise<string | undefined> {
  try {
    await postgresFolder();
    return undefined;
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

/** The folder of the programs `postgres`, `initdb` and `createdb`. Rejects with a sentence if there is none and none can be installed. */
export async function postgresFolder(): Promise<string> {
  const found = findInDebian() ?? (await findInPath());
  if (found !== undefined) return found;
  const reason = whyNotInstallable();
  if (reason !== undefined) {
    throw new Error(`PostgreSQL ${versionMin} or newer was not found, and cannot be installed: ${reason}.`);
  }
  await installPostgres();
  const installed = findInDebian();
  if (installed === undefined) {
    throw new Error(`The package "postgresql" was installed, but holds no PostgreSQL ${versionMin} or newer.`);
  }
  return installed;
}

function findInDebian(): string | undefined {
  if (!existsSync(debianFolder)) return undefined;
  const versions = readdirSync(debianFolder)
    .map(Number)
    .filter((version) => version >= versionMin && existsSync(join(debianFolder, String(version), "bin", "postgres")))
    .sort((a, b) => b - a);
  return versions[0] === undefined ? undefined : join(debianFolder, String(versions[0]), "bin");
}

async function findInPath(): Promise<string | undefined> {
  const path = process.env["PATH"] ?? "";
  for (const folder of path.split(":")) {
    const program = join(folder, "postgres");
    if (!existsSync(program) || !existsSync(join(folder, "initdb"))) continue;
    const { stdout } = await run(program, ["--version"]);
    if (Number(/\d+/.exec(stdout)?.[0] ?? 0) >= versionMin) return dirname(program);
  }
  return undefined;
}

const clusterSettings = "/etc/postgresql-common/createcluster.conf";
const noCluster = "create_main_cluster = false";

/** Debian makes a database for the machine when the server is installed, unless it is told not to. */
async function installPostgres(): Promise<void> {
  await installDebianPackages(["postgresql-common"]);
  const settings = await readFile(clusterSettings, "utf8");
  if (!settings.split("\n").includes(noCluster)) await appendFile(clusterSettings, `\n${noCluster}\n`);
  await installDebianPackages(["postgresql"]);
}
