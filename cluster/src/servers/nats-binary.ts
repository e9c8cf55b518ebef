import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The oldest server that the engine is for. */
const versionMin: readonly [number, number] = [2, 10];
/** Later suites of Debian, the oldest first: so tests run with the oldest server that is supported and there. */
const suites = ["trixie", "forky", "sid"] as const;
const packagesBytesMax = 256 * 1024 * 1024;
/** A download takes seconds; a lock that is older was left by a process that died. */
const lockMsMax = 120_000;

export type NatsBinary = { readonly path: string; readonly version: string };

/**
 * A NATS server for tests: from the PATH, from the cache folder, or from a later suite of the Debian mirror that apt is set to,
 * unpacked into the cache folder. Nothing of the system is changed. Rejects with a sentence where none is to be had.
 */
export async function findNatsBinary(): Promise<NatsBinary> {
  const cached = join(cacheFolder(), "nats-server", "usr", "sbin", "nats-server");
  for (const path of ["nats-server", cached, `${cached.replace("/sbin/", "/bin/")}`]) {
    const found = await binaryAt(path);
    if (found !== undefined) return found;
  }
  return withLock(join(cacheFolder(), "nats-server.lock"), async () => {
    const found = (await binaryAt(cached)) ?? (await download(join(cacheFolder(), "nats-server")));
    return found;
  });
}

const cacheFolder = (): string => join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tidings");

async function binaryAt(path: string): Promise<NatsBinary | undefined> {
  try {
    const { stdout } = await run(path, ["--version"]);
    const [, version = "", major, minor] = /v?((\d+)\.(\d+)[^\s]*)/.exec(stdout) ?? [];
    const isOld = Number(major) < versionMin[0] || (Number(major) === versionMin[0] && Number(minor) < versionMin[1]);
    return version === "" || isOld ? undefined : { path, version };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function download(target: string): Promise<NatsBinary> {
  await mkdir(cacheFolder(), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(), "nats-server-"));
  try {
    const { stdout: architecture } = await run("dpkg", ["--print-architecture"]);
    for (const site of await mirrors()) {
      for (const suite of suites) {
        const file = await findPackage({ folder, site, suite, architecture: architecture.trim() });
        if (file === undefined) continue;
        const archive = join(folder, "nats-server.deb");
        await fetchFile(`${site}/${file.name}`, archive, `SHA256:${file.sha256}`);
        const unpacked = join(folder, "unpacked");
        await run("dpkg-deb", ["-x", archive, unpacked]);
        await rm(target, { recursive: true, force: true });
        await rename(unpacked, target);
        for (const place of ["usr/sbin", "usr/bin"]) {
          const found = await binaryAt(join(target, place, "nats-server"));
          if (found !== undefined) return found;
        }
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  throw new Error("The package pool that apt is set to has no nats-server of 2.10 or later.");
}

/** The mirrors of apt's own configuration: whatever address, proxy and trust the machine has, is its administrator's choice. */
async function mirrors(): Promise<readonly string[]> {
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(SITE) $(CREATED_BY)"]);
  const sites = stdout
    .split("\n")
    .flatMap((line) => (line.endsWith(" Packages") ? [line.split(" ")[0] as string] : []));
  return [...new Set(sites)].filter((site) => !site.includes("security"));
}

type Place = { readonly folder: string; readonly site: string; readonly suite: string; readonly architecture: string };

async function findPackage(place: Place): Promise<{ readonly name: string; readonly sha256: string } | undefined> {
  const index = join(place.folder, `${place.suite}.xz`);
  try {
    await fetchFile(`${place.site}/dists/${place.suite}/main/binary-${place.architecture}/Packages.xz`, index);
  } catch (error) {
    if (isMissing(error)) throw error;
    return undefined;
  }
  const { stdout } = await run("xz", ["-dc", index], { maxBuffer: packagesBytesMax });
  const entry = stdout.split("\n\n").find((one) => one.startsWith("Package: nats-server\n"));
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.+)$`, "m").exec(entry ?? "")?.[1];
  const [name, sha256, version] = [field("Filename"), field("SHA256"), field("Version")];
  const [, major, minor] = /^(?:\d+:)?(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  const isNew = Number(major) > versionMin[0] || (Number(major) === versionMin[0] && Number(minor) >= versionMin[1]);
  return name === undefined || sha256 === undefined || !isNew ? undefined : { name, sha256 };
}

/** Apt's own helper knows apt's proxies and certificates; it refuses a file of another hash. */
const fetchFile = (url: string, file: string, hash?: string): Promise<unknown> =>
  run("/usr/lib/apt/apt-helper", ["download-file", url, file, ...(hash === undefined ? [] : [hash])]);

/** One process at a time: test files run side by side. */
async function withLock<Result>(lock: string, action: () => Promise<Result>): Promise<Result> {
  await mkdir(cacheFolder(), { recursive: true });
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const made = await stat(lock).catch(() => undefined);
    if (made !== undefined && Date.now() - made.mtimeMs > lockMsMax) await rm(lock, { recursive: true, force: true });
    else await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    return await action();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";
