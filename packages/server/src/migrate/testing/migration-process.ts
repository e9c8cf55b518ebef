import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../main.ts", import.meta.url));

export type EndedProcess = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly notes: string;
};

/** Runs a command of the server's program, and ends it by the signal as soon as it notes a line like `at`. */
export function runProgram(
  argv: readonly string[],
  end?: { readonly at: RegExp; readonly by: NodeJS.Signals },
): Promise<EndedProcess> {
  const child = spawn(process.execPath, [program, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
  let hasEnded = false;
  const [out, notes]: [string[], string[]] = [[], []];
  createInterface(child.stdout).on("line", (line) => out.push(line));
  createInterface(child.stderr).on("line", (line) => {
    notes.push(line);
    if (!hasEnded && end?.at.test(line)) hasEnded = child.kill(end.by);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, out: out.join("\n"), notes: notes.join("\n") }));
  });
}

/** A server on the data, as long as `work` takes; it is stopped in order. */
export async function whileServed<T>(data: string, work: (url: string) => Promise<T>): Promise<T> {
  const argv = [program, "serve", "--data", data, "--port", "0", "--log-level", "silent", "--drain-ms", "0"];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  try {
    return await work(await listening(child));
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

function listening(child: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("The server did not start.")));
    createInterface(child.stdout).once("line", (line) => resolve(line.replace("Tidings listens on ", "")));
  });
}
