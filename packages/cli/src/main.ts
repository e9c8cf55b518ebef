import { CommanderError } from "commander";
import { describeFailure, exitCodes, usageFailure } from "./failure.ts";
import { createProgram } from "./program.ts";

/** Runs the command line and resolves with the exit code. Never rejects: whatever fails is told in a line on stderr. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on("error", endQuietlyWhenNobodyReads);
  let exitCode: number = exitCodes.ok;
  const json = argv.includes("--json");
  const onExit = (code: number) => {
    exitCode = code;
  };
  try {
    await createProgram({ env: process.env, onExit, tellsMistakes: !json }).parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return tellFailure(error, json);
    if (error.exitCode === 0) return exitCodes.ok;
    return json ? tellFailure(usageFailure(sentenceOf(error)), json) : exitCodes.usage;
  }
}

/** What commander would have printed, without its label; where it would have printed its help, what that means. */
function sentenceOf({ code, message }: CommanderError): string {
  if (code === "commander.help") return "Which command? tidings --help lists them.";
  return message.replace(/^error: /, "");
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
