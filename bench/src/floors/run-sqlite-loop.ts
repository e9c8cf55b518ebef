import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("sqlite-loop.ts", import.meta.url));

/** Runs the bare loop as a process of its own; answers with the rows that it made durable each second. */
export async function runSqliteLoop(options: {
  folder: string;
  groupSize: number;
  durationMs: number;
}): Promise<number> {
  const args = [program, options.folder, String(options.groupSize), String(options.durationMs)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
}
