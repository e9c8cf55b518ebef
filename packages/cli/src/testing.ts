import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { OwnServer } from "./replay/own-server.ts";

/** For tests: the command as people run it, as a process, against a real server. */
export type CommandTest = {
  readonly server: OwnServer;
  /** Runs the command to its end. */
  run(argv: readonly string[], options?: { stdin?: string; env?: NodeJS.ProcessEnv }): Promise<CommandResult>;
  /** Runs it, and rejects with what it said unless it ends with 0. Resolves with what it printed, without the last line end. */
  ok(argv: readonly string[], options?: { stdin?: string; env?: NodeJS.ProcessEnv }): Promise<string>;
  /** Runs it in the background. */
  start(argv: readonly string[], env?: NodeJS.ProcessEnv): RunningCommand;
  stop(): Promise<void>;
};

export type CommandResult = { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string };

export type RunningCommand = {
  /** The next line that it prints; rejects when it ends before. */
  nextLine(): Promise<string>;
  /** The same of standard error. */
  nextRemark(): Promise<string>;
  /** Interrupts it, as Ctrl-C does, and resolves with its exit code. */
  interrupt(): Promise<number | null>;
  /** Resolves with its exit code when it ends. */
  readonly ended: Promise<number | null>;
};

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export async function startCommandTest(): Promise<CommandTest> {
  const configFolder = await mkdtemp(join(tmpdir(), "tidings-cli-test-"));
  const failures: Error[] = [];
  const server = await OwnServer.start((failure) => failures.push(failure));
  const running = new Set<Child>();

  const launch = (argv: readonly string[], env: NodeJS.ProcessEnv = {}): Child => {
    const child = spawn(process.execPath, [commandPath, ...argv], {
      stdio: ["pipe", "pipe", "pipe"],
      env: {
        ...process.env,
        TIDINGS_URL: server.url,
        TIDINGS_CONFIG: configFolder,
        TIDINGS_PASSWORD: "correct horse",
        ...env,
      },
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    return child;
  };

  const run: CommandTest["run"] = async (argv, { stdin = "", env } = {}) => {
    const child = launch(argv, env);
    child.stdin.end(stdin);
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    const [exitCode] = (await once(child, "close")) as [number | null];
    return { exitCode, stdout: stdout.join(""), stderr: stderr.join("") };
  };

  return {
    server,
    run,
    async ok(argv, options) {
      const { exitCode, stdout, stderr } = await run(argv, options);
      if (exitCode !== 0) throw new Error(`tidings ${argv.join(" ")} ended with ${exitCode}: ${stdout}${stderr}`);
      return stdout.replace(/\n$/, "");
    },
    start(argv, env) {
      const child = launch(argv, env);
      const ended = once(child, "close").then(([exitCode]) => exitCode as number | null);
      const remarks = collect(child.stderr);
      const takeLine = async (lines: AsyncIterator<string>): Promise<string> => {
        const next = await lines.next();
        if (next.done) throw new Error(`tidings ${argv.join(" ")} ended: ${remarks.join("")}`);
        return next.value;
      };
      const [stdout, stderr] = [linesOf(child.stdout), linesOf(child.stderr)];
      return {
        nextLine: () => takeLine(stdout),
        nextRemark: () => takeLine(stderr),
        async interrupt() {
          child.kill("SIGINT");
          return await ended;
        },
        ended,
      };
    },
    async stop() {
      for (const child of running) child.kill("SIGKILL");
      await server.stop({ keep: false });
      await rm(configFolder, { recursive: true, force: true });
      const [failure] = failures;
      if (failure !== undefined) throw failure;
    },
  };
}

const commandPath = fileURLToPath(new URL("../bin/tidings.mjs", import.meta.url));

const linesOf = (input: Readable): AsyncIterator<string> => createInterface({ input })[Symbol.asyncIterator]();

function collect(stream: Readable): string[] {
  const chunks: string[] = [];
  stream.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  return chunks;
}
