import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileOfLaterPackage, isOlder } from "./later-debian-package.ts";

const run = promisify(execFile);

/** The oldest server that the engine is for. */
const versionMin: readonly [number, number] = [2, 10];

export type NatsBinary = { readonly path: string; readonly version: string };

/**
 * A NATS server for tests: from the PATH, or from a later suite of Debian, unpacked into the cache folder: the oldest that is supported and
 * there. Nothing of the system is changed. Rejects with a sentence where none is to be had.
 */
export async function findNatsBinary(): Promise<NatsBinary> {
  const installed = await binaryAt("nats-server");
  if (installed !== undefined) return installed;
  const path = await fileOfLaterPackage("nats-server", { file: "usr/sbin/nats-server", versionMin });
  const fetched = await binaryAt(path);
  if (fetched === undefined) throw new Error(`${path} is no NATS server of ${versionMin.join(".")} or later.`);
  return fetched;
}

async function binaryAt(path: string): Promise<NatsBinary | undefined> {
  try {
    const { stdout } = await run(path, ["--version"]);
    const [, version = "", major, minor] = /v?((\d+)\.(\d+)[^\s]*)/.exec(stdout) ?? [];
    return version === "" || isOlder([Number(major), Number(minor)], versionMin) ? undefined : { path, version };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";
