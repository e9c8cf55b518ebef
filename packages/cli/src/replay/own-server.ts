import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CommandFailure } from "../failure.ts";
import { findServerProgram } from "../server-program.ts";

const startMsMax = 30_000;
const stopMsMax = 10_000;
const logLinesMax = 10;

/** A server of the replay's own, on a folder of its own, that can be killed and started again on the same data and port. */
export class OwnServer {
  readonly folder: string;
  readonly #onUnexpectedEnd: (failure: CommandFailure) => void;
  readonly #log: string[] = [];
  #child: ChildProcess | undefined;
  #port = 0;

  /** `onUnexpectedEnd` is called when the server ends without our doing. */
  static async start(onUnexpectedEnd: (failure: CommandFailure) => void): Promise<OwnServer> {
    const server = new OwnServer(await mkdtemp(join(tmpdir(), "tidings-replay-")), onUnexpectedEnd);
    await server.#spawn();
    return server;
  }

  private constructor(folder: string, onUnexpectedEnd: (failure: CommandFailure) => void) {
    this.folder = folder;
    this.#onUnexpectedEnd = onUnexpectedEnd;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Kills with SIGKILL, so that the server has no chance to finish anything, and starts again; resolves when it listens. */
  async killAndRestart(): Promise<void> {
    await this.#end("SIGKILL");
    await this.#spawn();
  }

  /** Ends the server and removes its data, unless they are to be kept. */
  async stop(options: { keep: boolean }): Promise<void> {
    await this.#end("SIGTERM");
    if (!options.keep) await rm(this.folder, { recursive: true, force: true });
  }

  /** For the moment at which our own process ends: cannot wait. */
  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  async #spawn(): Promise<void> {
    const flags = ["--data", this.folder, "--host", "127.0.0.1", "--port", String(this.#port), ...ratesForOneMachine];
    const child = spawn(process.execPath, [findServerProgram(), "serve", ...flags], {
      // The channel tells the server our end, however we end.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...withoutSettings(process.env), TIDINGS_END_WITH_PARENT: "1" },
    });
    // It must not be what keeps us from ending.
    child.channel?.unref();
    this.#child = child;
    child.once("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#onUnexpectedEnd(new CommandFailure(`The server ended by itself (${signal ?? code}).${this.#lastLog()}`));
    });
    this.#port = await this.#whenListening(child);
  }

  #whenListening(child: ChildProcess): Promise<number> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => {
        clearTimeout(timer);
        reject(new CommandFailure(`The server did not start: ${reason}.${this.#lastLog()}`));
      };
      const timer = setTimeout(() => fail(`nothing listens after ${startMsMax / 1000} s`), startMsMax);
      child.once("error", (error) => fail(error.message));
      child.once("exit", (code, signal) => fail(`it ended (${signal ?? code})`));
      const takeLine = (line: string) => {
        this.#log.push(line);
        if (this.#log.length > logLinesMax) this.#log.shift();
        const port = /^Tidings listens on http:\/\/\S+:(\d+)/.exec(line)?.[1];
        if (port === undefined) return;
        clearTimeout(timer);
        resolve(Number(port));
      };
      for (const input of [child.stdout, child.stderr]) {
        if (input !== null) createInterface({ input }).on("line", takeLine);
      }
    });
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
    await ended;
    clearTimeout(timer);
  }

  #lastLog(): string {
    return this.#log.length === 0 ? "" : ` It said last:\n${this.#log.map((line) => `  ${line}`).join("\n")}`;
  }
}

/** All users come from one address, at once, and after a restart all sessions come back at once. */
const ratesForOneMachine = [
  "--sign-ups-per-minute=1000000",
  "--login-attempts-per-minute=1000000",
  "--requests-per-second=100000",
  "--requests-burst=100000",
  "--drain-ms=0",
];

/** The settings of some other server in our environment are not meant for this one. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("TIDINGS_")));
}
