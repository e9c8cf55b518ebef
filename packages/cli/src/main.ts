import { CommanderError } from "commander";
import { describeFailure, exitCodes } from "./failure.ts";
import { createProgram } from "./program.ts";

/** Runs the command line and resolves with the exit code. Never rejects: whatever fails is told in a line on stderr. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on("error", endQuietlyWhenNobodyReads);
  let exitCode: number = exitCodes.ok;
  try {
    await createProgram(process.env, (code) => {
      exitCode = code;
    }).parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has said already what is wrong, or printed what was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return tellFailure(error, argv.includes("--json"));
  }
}

function tellFailure(error: unknown, json: boolean): number {
  const { line, code, exitCode } = describeFailure(error);
  process.stderr.write(
    json ? `${JSON.stringify({ error: { code, message: line, exit_code: exitCode } })}\n` : `tidings: ${line}\n`,
  );
  if (process.env["TIDINGS_DEBUG"] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return exitCode;
}

/** `tidings history … | head` is no failure. */
function endQuietlyWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(exitCodes.ok);
  throw error;
}
