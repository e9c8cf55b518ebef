import { closeSync, fdatasyncSync, openSync, statfsSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./finding.ts";

/** What the folder of the data is worth: its rights, its room, and whether its disk keeps what it says it has. */
export function checkDisk(folder: string): readonly Finding[] {
  return [checkRights(folder), checkRoom(folder), checkFileSystem(folder), checkSync(folder)];
}

function checkRights(folder: string): Finding {
  const mode = statSync(folder).mode & 0o777;
  const what = "rights of the data folder";
  if (mode === 0o700) return { level: "good", what, says: "only its own user can read it" };
  const others = (mode & 0o077) !== 0;
  const why = others
    ? "others on this machine can get at messages"
    : "its own user cannot do with it what a server needs";
  return { level: "bad", what, says: `mode ${mode.toString(8).padStart(4, "0")}: ${why}; chmod 700 it` };
}

function checkRoom(folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder);
  const freeMiB = Math.floor((bavail * bsize) / 1024 ** 2);
  const says = `${freeMiB.toLocaleString("en")} MiB free`;
  return { level: freeMiB < freeMiBMin ? "bad" : "good", what: "room on the disk", says };
}

/** Linux names file systems by number (statfs(2)); these two live in memory. */
const memoryFileSystems = new Map([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
]);

function checkFileSystem(folder: string): Finding {
  const what = "file system";
  const inMemory = memoryFileSystems.get(statfsSync(folder).type);
  if (inMemory === undefined) return { level: "good", what, says: "on a disk" };
  return {
    level: "bad",
    what,
    says: `${inMemory}, in memory: an acknowledged message does not survive the loss of power`,
  };
}

function checkSync(folder: string): Finding {
  const what = "fsync";
  let medianMs: number;
  try {
    medianMs = measureSyncMs(join(folder, ".doctor-sync"));
  } catch (error) {
    return { level: "bad", what, says: `could not be measured: ${error instanceof Error ? error.message : error}` };
  }
  const says = `${medianMs.toFixed(3)} ms in the median of ${syncs}`;
  if (medianMs >= believableSyncMs) return { level: "good", what, says };
  return {
    level: "bad",
    what,
    says: `${says}: no disk is that fast; something answers for it, and power loss may lose acknowledged messages`,
  };
}

/** Writes a block and has it made durable, again and again. */
function measureSyncMs(file: string): number {
  const descriptor = openSync(file, "w", 0o600);
  try {
    const block = Buffer.alloc(4096, 1);
    const times: number[] = [];
    for (let time = 0; time < syncs; time++) {
      const beganMs = performance.now();
      writeSync(descriptor, block, 0, block.length, 0);
      fdatasyncSync(descriptor);
      times.push(performance.now() - beganMs);
    }
    return times.sort((a, b) => a - b)[Math.floor(syncs / 2)] ?? 0;
  } finally {
    closeSync(descriptor);
    unlinkSync(file);
  }
}

const syncs = 51;
/** The fastest disks with power-loss protection take some 20 µs. */
const believableSyncMs = 0.01;
const freeMiBMin = 512;
