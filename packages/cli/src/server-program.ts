import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CommandFailure, exitCodes } from "./failure.ts";

/** The server's program, which the command starts as a process of its own and never imports. */
export function findServerProgram(): string {
  const path = fileURLToPath(import.meta.resolve("@tidings/server/main.ts"));
  if (!existsSync(path)) throw new CommandFailure(`The server's program is not there: ${path}.`);
  return path;
}

/** Runs the server's program in the foreground, with our input and output; resolves with its exit code. */
export async function runServerProgram(argv: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [findServerProgram(), ...argv], { stdio: "inherit" });
  // A terminal sends SIGINT to the child by itself; passing it on would make two of one Ctrl-C.
  const onInterrupt = () => {
    if (!process.stdin.isTTY) child.kill("SIGINT");
  };
  const onTerminate = () => child.kill("SIGTERM");
  const onHangUp = () => child.kill("SIGHUP");
  process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate).on("SIGHUP", onHangUp);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => resolve(code ?? exitCodes.interrupted));
    });
  } finally {
    process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate).off("SIGHUP", onHangUp);
  }
}
