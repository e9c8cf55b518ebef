import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Major and minor. */
export type Version = readonly [number, number];
export const isOlder = ([major, minor]: Version, than: Version): boolean =>
  major < than[0] || (major === than[0] && minor < than[1]);

/** Later suites of Debian, the oldest first. */
const suites = ["trixie", "forky", "sid"] as const;
const indexBytesMax = 256 * 1024 * 1024;

/**
 * The path of a file out of a package of a later Debian than ours, unpacked into the cache folder: nothing of the system is changed. The
 * mirrors are those that apt is set to, and apt checks what it fetches. Rejects with a sentence where there is none.
 */
export async function fileOfLaterPackage(
  name: string,
  options: { readonly file: string; readonly versionMin?: Version },
): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tidings");
  const wanted = join(cache, name, options.file);
  if (existsSync(wanted)) return wanted;
  await mkdir(cache, { recursive: true });
  // Who fetches at the same time fetches into another folder; whoever is first puts it in place.
  const folder = await mkdtemp(join(cache, `${name}-`));
  try {
    const { stdout: architecture } = await run("dpkg", ["--print-architecture"]);
    for (const mirror of await mirrors()) {
      for (const suite of suites) {
        const place = { folder, mirror, suite, architecture: architecture.trim() };
        const found = await findPackage(name, place);
        if (found === undefined || isOlder(found.version, options.versionMin ?? [0, 0])) continue;
        const archive = join(folder, "package.deb");
        await download(`${mirror}/${found.path}`, archive, `SHA256:${found.sha256}`);
        await run("dpkg-deb", ["-x", archive, join(folder, "unpacked")]);
        if (!existsSync(join(folder, "unpacked", options.file))) continue;
        await rename(join(folder, "unpacked"), join(cache, name)).catch((error: unknown) => {
          if (!existsSync(wanted)) throw error;
        });
        return wanted;
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  throw new Error(`No later suite at the mirrors that apt is set to has ${options.file} in ${name}.`);
}

/** Whatever address, proxy and trust the machine has, is its administrator's choice. */
async function mirrors(): Promise<readonly string[]> {
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(CREATED_BY) $(ORIGIN) $(SITE)"]);
  const prefix = "Packages Debian ";
  const sites = stdout.split("\n").flatMap((line) => (line.startsWith(prefix) ? [line.slice(prefix.length)] : []));
  return [...new Set(sites)].filter((site) => !site.includes("security"));
}

type Place = {
  readonly folder: string;
  readonly mirror: string;
  readonly suite: string;
  readonly architecture: string;
};

type Found = { readonly path: string; readonly sha256: string; readonly version: Version };

async function findPackage(name: string, place: Place): Promise<Found | undefined> {
  const index = join(place.folder, "Packages.xz");
  await rm(index, { force: true });
  const url = `${place.mirror}/dists/${place.suite}/main/binary-${place.architecture}/Packages.xz`;
  try {
    await download(url, index);
  } catch (error) {
    // A mirror of something else has no such suite; a machine without the helper has none at all.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw error;
    return undefined;
  }
  const { stdout } = await run("xz", ["-dc", index], { maxBuffer: indexBytesMax });
  const entry = stdout.split("\n\n").find((one) => one.startsWith(`Package: ${name}\n`)) ?? "";
  const field = (label: string): string | undefined => new RegExp(`^${label}: (.+)$`, "m").exec(entry)?.[1];
  const [path, sha256] = [field("Filename"), field("SHA256")];
  const [, major, minor] = /^(?:\d+:)?(\d+)\.(\d+)/.exec(field("Version") ?? "") ?? [];
  const version: Version = [Number(major ?? 0), Number(minor ?? 0)];
  return path === undefined || sha256 === undefined ? undefined : { path, sha256, version };
}

const download = (url: string, file: string, hash?: string): Promise<unknown> =>
  run("/usr/lib/apt/apt-helper", ["download-file", url, file, ...(hash === undefined ? [] : [hash])]);
