import type { Command } from "commander";
import { runServerProgram } from "../server-program.ts";

/** Commands of the server's own program. Whatever follows their name is passed on to it, `--help` too. */
export function addServerCommands(program: Command, onExit: (exitCode: number) => void): void {
  for (const [name, description] of serverCommands) {
    program
      .command(name)
      .description(description)
      .argument("[options...]", "passed on to the server's program")
      .allowUnknownOption()
      .passThroughOptions()
      .helpOption(false)
      .action(async (given: string[]) => onExit(await runServerProgram([name, ...given])));
  }
}

const serverCommands = [
  ["serve", "Start a server here. See tidings serve --help."],
  ["backup", "Copy the data of a server, also while it runs. See tidings backup --help."],
  ["migrate", "Copy a server's data into PostgreSQL, for a fleet. See tidings migrate --help."],
  ["doctor", "Examine a server's data and settings. See tidings doctor --help."],
] as const;
