import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("sqlite-loop.ts", import.meta.url));

/** Runs the bare loop as a process of its own; answers with the rows that it made durable each second. */
export async function runSqliteLoop(options: {
  folder: string;
  groupSize: number;
  conversations: number;
  durationMs: number;
}): Promise<number> {
  const { folder, groupSize, conversations, durationMs } = options;
  const args = [program, folder, ...[groupSize, conversations, durationMs].map(String)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
}
