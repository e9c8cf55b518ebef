import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * How long this file system takes to make 4 KiB durable: milliseconds of each write with its fdatasync, for `durationMs`.
 * The same 4 KiB over and over, because that is the cheapest: a file that grows takes about twice as long. The file
 * lies in a folder of its own in `folder` and is gone afterwards.
 */
export function measureFsyncMs(folder: string, durationMs: number): number[] {
  const own = mkdtempSync(join(folder, "fsync-"));
  const file = openSync(join(own, "file"), "w");
  const block = Buffer.alloc(4096, "tide");
  const samples: number[] = [];
  try {
    const endMs = performance.now() + durationMs;
    while (performance.now() < endMs) {
      const startMs = performance.now();
      writeSync(file, block, 0, block.length, 0);
      fdatasyncSync(file);
      samples.push(performance.now() - startMs);
    }
  } finally {
    closeSync(file);
    rmSync(own, { recursive: true });
  }
  return samples;
}
