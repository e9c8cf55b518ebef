import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where other processes that install wait for us; `flock` lets go of it when its command ends, however it ends. */
const lockFile = "/tmp/tidings-install.lock";
const installMsMax = 300_000;

/** Why Debian packages cannot be installed from here, as a clause for a sentence; undefined if they can. */
export function whyNotInstallable(): string | undefined {
  if (process.getuid?.() !== 0) return "we are not root";
  if (!existsSync("/etc/debian_version")) return "this is not Debian";
  return undefined;
}

/**
 * Installs Debian packages, with what they need and nothing that they recommend. Servers in them are not started: who wants one
 * starts his own. Many may call at once, also from several processes. Rejects with what the package manager said.
 */
export async function installDebianPackages(packages: readonly string[]): Promise<void> {
  const install = "apt-get update -q && apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=240";
  const script = `${install} ${packages.join(" ")}`;
  await withoutStartingServices(() =>
    run("flock", [lockFile, "sh", "-c", script], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      timeout: installMsMax,
      maxBuffer: 16 * 1024 * 1024,
    }),
  );
}

/** Debian asks this program whether an installed service may be started; 101 is its no. Somebody else's stays as it is. */
const policyFile = "/usr/sbin/policy-rc.d";
const policy = "#!/bin/sh\n# Of a test that installs.\nexit 101\n";

async function withoutStartingServices<T>(work: () => Promise<T>): Promise<T> {
  const isOurs = !existsSync(policyFile);
  if (isOurs) {
    await writeFile(policyFile, policy);
    await chmod(policyFile, 0o755);
  }
  try {
    return await work();
  } finally {
    // Who installs at the same time found ours there and leaves it; whoever ends last finds it gone.
    if (isOurs && (await readFile(policyFile, "utf8").catch(() => "")) === policy)
      await rm(policyFile, { force: true });
  }
}
