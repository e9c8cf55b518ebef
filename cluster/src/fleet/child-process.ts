import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";

export type ChildOptions = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A line that matches says that it is ready; absent: it is ready when it runs. */
  readonly ready?: RegExp;
  /** What it writes goes to the end of this file. */
  readonly logFile: string;
};

/**
 * A process of ours that can be killed, stalled, stopped and started again with the same arguments. Whatever is left when we end is
 * killed, unless we are killed with SIGKILL ourselves: then a machine of Tidings ends by itself, and an engine stays.
 */
export class Child {
  readonly options: ChildOptions;
  #child: ChildProcess | undefined;
  #log: WriteStream | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  readonly #lastLines: string[] = [];

  constructor(options: ChildOptions) {
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Resolves when it is ready; rejects with what it said last if it ends before, or takes too long. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const { command, args, env, ready, logFile } = this.options;
    const child = spawn(command, [...args], {
      // The channel tells a server of ours that we have ended, however we did.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...withoutSettings(process.env), ...env },
      // A Ctrl-C in our terminal is for us: we end them in order.
      detached: true,
    });
    child.channel?.unref();
    this.#child = child;
    this.#log ??= createWriteStream(logFile, { flags: "a" });
    alive.add(child);
    this.#exited = once(child, "close").finally(() => {
      alive.delete(child);
      if (this.#child === child) this.#child = undefined;
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => fail("was not ready in time"), startMsMax);
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`${this.name} ${why}.\n${this.#lastLines.join("\n")}`));
      };
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      child.once("error", (error) => fail(error.message));
      child.once("exit", (code, signal) => fail(`ended with ${signal ?? code}`));
      const take = (line: string): void => {
        this.#note(line);
        if (ready?.test(line) === true) done();
      };
      for (const input of [child.stdout, child.stderr]) if (input) createInterface({ input }).on("line", take);
      if (ready === undefined) child.once("spawn", done);
    });
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    // A stopped process hears no other signal; this one it need not hear.
    this.#child?.kill("SIGKILL");
    await this.#exited;
  }

  /** SIGTERM, and SIGKILL if it has not ended in time. Resolves when it is gone. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Nothing happens in it until `continue`. */
  stall(): void {
    this.#child?.kill("SIGSTOP");
  }

  continue(): void {
    this.#child?.kill("SIGCONT");
  }

  #note(line: string): void {
    this.#log?.write(`${line}\n`);
    this.#lastLines.push(line);
    if (this.#lastLines.length > lastLinesMax) this.#lastLines.shift();
  }
}

const alive = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/** The settings of some other server in our environment are not meant for these. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("TIDINGS_")));
}

const startMsMax = 60_000;
const stopMsMax = 90_000;
const lastLinesMax = 20;
