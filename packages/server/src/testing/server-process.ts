import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../main.ts", import.meta.url));

/** The program as a process of its own, with the lines that it says. */
export class ServerProcess {
  /** Lines of its log. */
  readonly log: string[] = [];
  readonly said: string[] = [];
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.exited = once(this.#child, "close").then(([code]) => code as number | null);
    this.#gather(this.#child.stdout, this.said);
    this.#gather(this.#child.stderr, this.log);
  }

  /** Resolves with the address when it serves; rejects with what it said if it ends before. */
  async listening(): Promise<string> {
    const line = await this.until(() => this.said.find((one) => one.startsWith("Tidings listens on ")));
    return line.slice("Tidings listens on ".length);
  }

  /** Resolves when its lines hold what is wanted; rejects if it ends before. */
  async until<Found>(find: () => Found | undefined): Promise<Found> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const line = new Promise<"line">((resolve) => this.#waiting.add(() => resolve("line")));
      if ((await Promise.race([line, this.exited])) === "line") continue;
      const last = find();
      if (last !== undefined) return last;
      throw new Error(`The server has ended:\n${[...this.said, ...this.log].join("\n")}`);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #gather(stream: Readable, lines: string[]): void {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    });
  }
}
