import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addCommand, withCommonOptions } from "./command-line.ts";
import type { CommandDeclaration } from "./command-line.ts";
import { accountCommands } from "./commands/accounts.ts";
import { explainCommand } from "./commands/explain.ts";
import { groupCommands } from "./commands/groups.ts";
import { historyCommands } from "./commands/history.ts";
import { inviteCommand } from "./commands/invite.ts";
import { replayCommand } from "./commands/replay.ts";
import { sendCommand } from "./commands/send.ts";
import { addServerCommands } from "./commands/server.ts";
import { tailCommand } from "./commands/tail.ts";
import { defaultUrl } from "./context.ts";
import { exitCodesHelp } from "./failure.ts";

/**
 * The command line. `onExit` hears the exit code of the command that ran; parsing rejects with whatever it fails with, and
 * prints the mistakes of the command line itself if `tellsMistakes`.
 */
export function createProgram(options: {
  env: NodeJS.ProcessEnv;
  onExit: (exitCode: number) => void;
  tellsMistakes: boolean;
}): Command {
  const { env, onExit, tellsMistakes } = options;
  const program = withCommonOptions(new Command("tidings"))
    // Before the commands are added, which take it over.
    .configureOutput(tellsMistakes ? {} : { writeErr: () => undefined })
    .description("Messages between people and programs, one to one and in groups.")
    .version(readVersion())
    // Options behind `serve` are the server's, not ours.
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText("after", `\n${examples}\n\n${exitCodesHelp}\n\n${environmentHelp}`);
  addServerCommands(program, onExit);
  for (const declaration of declarations) addCommand(program, declaration, { env, onExit });
  return program;
}

const declarations: readonly CommandDeclaration[] = [
  ...accountCommands,
  ...groupCommands,
  inviteCommand,
  sendCommand,
  tailCommand,
  ...historyCommands,
  explainCommand,
  replayCommand,
];

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}

const examples = `Examples:
  tidings serve                               start a server on ${defaultUrl}
  tidings signup alice                        make an account
  tidings create kitchen                      create a group
  tidings --as bob join kitchen               another user of this machine joins
  tidings send kitchen "tea is ready @bob"    send a message
  tidings tail kitchen                        watch it live`;

const environmentHelp = `Environment:
  TIDINGS_URL       the server
  TIDINGS_PROFILE   which login
  TIDINGS_PASSWORD  for signup and login
  TIDINGS_TOKEN     a token to use instead of a login
  TIDINGS_CONFIG    folder of the logins; else ~/.config/tidings
  TIDINGS_DEBUG     1 shows where an unexpected failure came from`;
