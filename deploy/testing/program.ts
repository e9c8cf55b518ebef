import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export type Outcome = { readonly code: number; readonly output: string };

/** Runs a program to its end; a failure is an outcome. What it said on both channels is one text. */
export async function outcomeOf(
  program: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(program, [...args], {
      ...options,
      env: { ...process.env, ...options.env },
      maxBuffer: 16 * 1024 * 1024,
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { code, output: `${stdout ?? ""}${stderr ?? ""}` };
  }
}

export type Running = { stop(): Promise<void> };

/** Starts a server that stays in the foreground; resolves when it answers at the URL, rejects with what it said if it ends before. */
export async function startServer(
  program: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly answersAt: string },
): Promise<Running> {
  const child = spawn(program, [...args], {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  for (const channel of [child.stdout, child.stderr]) channel.setEncoding("utf8").on("data", (text) => said.push(text));
  const killWithUs = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", killWithUs);
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  while (!(await answers(options.answersAt))) {
    if (failure !== undefined || child.exitCode !== null) {
      throw new Error(`${program} did not start.\n${said.join("")}`, { cause: failure });
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    async stop() {
      child.kill("SIGTERM");
      await ended;
      process.off("exit", killWithUs);
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url);
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
