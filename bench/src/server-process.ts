import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cpuMicrosecondsOf, residentBytesOf } from "./processes.ts";

/** A server under measurement: a process of its own, on the same Node as the bench. */
export type ServerProcess = {
  readonly port: number;
  readonly pid: number;
  /** Processor time so far of the process and its children. */
  readonly cpuMicroseconds: () => number;
  readonly residentBytes: () => number;
  /** SIGTERM; SIGKILL if it has not ended after 10 s. Resolves when it has ended; again does nothing. */
  readonly stop: () => Promise<void>;
  /** SIGKILL. Resolves when it has ended. */
  readonly kill: () => Promise<void>;
  /** Resolves with the exit code when it has ended; null if a signal ended it. */
  readonly ended: Promise<number | null>;
};

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const outputCharactersMax = 4_000;
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts `node ARGUMENTS…` and waits for the line in which it says `listens on http://127.0.0.1:PORT`. Rejects with its last
 * output. `onErrorLine` gets each line that it writes to its standard error, which is its log.
 */
export async function startServer(
  args: readonly string[],
  onErrorLine: (line: string) => void = () => undefined,
): Promise<ServerProcess> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  // "close" and not "exit": by then its last words have been read.
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  let output = "";
  const port = await new Promise<number>((resolve, reject) => {
    const refuse = (why: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`${args.join(" ")} ${why}: ${output}`));
    };
    const timer = setTimeout(() => refuse("did not start in time"), startTimeoutMs);
    const read = (line: string): void => {
      output = `${output}\n${line}`.slice(-outputCharactersMax);
      const match = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (match !== null) {
        clearTimeout(timer);
        resolve(Number(match[1]));
      }
    };
    createInterface({ input: child.stdout }).on("line", read);
    createInterface({ input: child.stderr }).on("line", (line) => {
      read(line);
      onErrorLine(line);
    });
    child.once("error", (error) => refuse(error.message));
    child.once("exit", (code, signal) => refuse(`ended with ${signal ?? code}`));
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("A process that listens has an id.");
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await ended;
    clearTimeout(timer);
  };
  return {
    port,
    pid,
    cpuMicroseconds: () => cpuMicrosecondsOf(pid),
    residentBytes: () => residentBytesOf(pid),
    stop: () => (running.has(child) ? end("SIGTERM") : Promise.resolve()),
    kill: () => (running.has(child) ? end("SIGKILL") : Promise.resolve()),
    ended,
  };
}
