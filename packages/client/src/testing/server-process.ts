import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../../server/src/main.ts", import.meta.url));

/** The real server as a process of its own, on a temporary folder, that may be killed and started again where it was. */
export class ServerProcess {
  readonly #folder: string;
  readonly #flags: readonly string[];
  #child: ChildProcessByStdio<null, Readable, null> | undefined;
  #port = 0;

  /** Resolves when it listens. */
  static async start(flags: readonly string[] = []): Promise<ServerProcess> {
    const server = new ServerProcess(await mkdtemp(join(tmpdir(), "tidings-client-")), flags);
    await server.startAgain();
    return server;
  }

  private constructor(folder: string, flags: readonly string[]) {
    this.#folder = folder;
    this.#flags = flags;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** As a loss of power would end the process: nothing is finished. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** On the same data and port. */
  async startAgain(): Promise<void> {
    const argv = [program, "serve", "--data", this.#folder, "--port", String(this.#port), ...this.#flags];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /^Tidings listens on http:\/\/\S+:(\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      this.#port = Number(port);
      child.stdout.resume();
      return;
    }
    throw new Error("The server ended before it listened.");
  }

  /** As an operator ends it. */
  terminate(): Promise<void> {
    return this.#end("SIGTERM");
  }

  async remove(): Promise<void> {
    await this.#end("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}
