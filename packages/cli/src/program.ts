import { readFileSync } from "node:fs";
import type { TransportName } from "@tidings/client";
import type { History } from "@tidings/protocol";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { logIn, logOut, signUp, whoAmI } from "./commands/accounts.ts";
import { createGroup, invite, joinGroup, leaveGroup, listGroups, listMembers } from "./commands/groups.ts";
import { markRead, sendMessage, showHistory } from "./commands/messages.ts";
import { replay } from "./commands/replay.ts";
import { tail } from "./commands/tail.ts";
import { createContext, defaultUrl } from "./context.ts";
import type { CommonOptions, Context } from "./context.ts";
import { parseCount, parseDurationS } from "./durations.ts";
import { CommandFailure, exitCodesHelp } from "./failure.ts";
import { runServerProgram } from "./server-program.ts";

/** What an action may answer: the exit code, or nothing for 0. */
type Answer = Promise<number | undefined> | Promise<void>;

/** The command line. `onExit` hears the exit code of the action that ran. */
export function createProgram(env: NodeJS.ProcessEnv, onExit: (exitCode: number) => void): Command {
  const program = withCommonOptions(new Command("tidings"))
    .description("Messages between people and programs, one to one and in groups.")
    .version(readVersion())
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText("after", `\n${examples}\n\n${exitCodesHelp}\n\n${environmentHelp}`);

  /** Gives an action its context, which follows from the options of the command and of the program. */
  const action =
    <Options, Arguments extends unknown[]>(
      run: (context: Context, options: Options & CommonOptions, command: Command, ...values: Arguments) => Answer,
    ) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const options = command.optsWithGlobals<Options & CommonOptions>();
      const values = given.slice(0, -2) as Arguments;
      onExit((await run(createContext(options, env), options, command, ...values)) ?? 0);
    };

  const define = (nameAndArguments: string, description: string, examples: readonly string[]): Command =>
    withCommonOptions(program.command(nameAndArguments))
      .description(description)
      .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);

  // The server.

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

  // Accounts.

  define("signup <name>", "Make an account and log in.", ["tidings signup alice"])
    .addOption(passwordOption())
    .option("--display-name <text>", "how others see you")
    .action(
      action<Parameters<typeof signUp>[2], [string]>((context, options, _, name) => signUp(context, name, options)),
    );
  define("login [name]", "Log in. The login is kept for the next commands.", [
    "tidings login alice",
    "tidings --url https://chat.example.org login --token - < token.txt",
  ])
    .addOption(passwordOption())
    .option("--token <token>", "a token from elsewhere instead of name and password; - reads it from standard input")
    .option("--expires <time>", "how long the login holds, such as 12h or 30d", argument(parseDurationS))
    .action(
      action<Parameters<typeof logIn>[2], [string | undefined]>((context, options, _, name) =>
        logIn(context, name, options),
      ),
    );
  define("logout", "Revoke the login's token and forget it.", ["tidings --as alice logout"]).action(
    action<object, []>((context) => logOut(context)),
  );
  define("whoami", "The user of the current login.", ["tidings whoami --json"]).action(
    action<object, []>((context) => whoAmI(context)),
  );

  // Groups.

  define("groups [search]", "Public groups, or your conversations.", ["tidings groups kitch", "tidings groups --mine"])
    .option("--mine", "the conversations that you are in")
    .action(
      action<Parameters<typeof listGroups>[2], [string | undefined]>((context, options, _, search) =>
        listGroups(context, search, options),
      ),
    );
  define("create <name>", "Create a group; you become its owner.", [
    "tidings create kitchen",
    'tidings create "board meeting" --private --history since-join',
  ])
    .option("--private", "neither listed nor joined without an invitation")
    .option("--description <text>", "what the group is for")
    .addOption(
      new Option("--history <what>", "what new members may read").choices([
        "everything",
        "since-join",
      ] satisfies History[]),
    )
    .action(
      action<Parameters<typeof createGroup>[2], [string]>((context, options, _, name) =>
        createGroup(context, name, options),
      ),
    );
  define("join <group>", "Join a public group by name or id, or any by an invitation's code.", [
    "tidings join kitchen",
  ]).action(action<object, [string]>((context, _options, _, group) => joinGroup(context, group)));
  define("leave <group>", "Leave a group.", ["tidings leave kitchen"]).action(
    action<object, [string]>((context, _options, _, group) => leaveGroup(context, group)),
  );
  define("invite <group>", "Make an invitation, and print its code.", [
    "tidings invite kitchen --expires 7d --uses 5",
    "tidings invite kitchen --list",
  ])
    .option("--expires <time>", "how long it holds, such as 12h or 7d", argument(parseDurationS))
    .option(
      "--uses <n>",
      "how many may come in with it",
      argument((text) => parseCount(text, "--uses")),
    )
    .addOption(new Option("--list", "show those that hold").conflicts(["expires", "uses", "revoke"]))
    .option("--revoke <invite-id>", "revoke one")
    .action(
      action<Parameters<typeof invite>[2], [string]>((context, options, _, group) => invite(context, group, options)),
    );
  define("members <group>", "The members of a group.", ["tidings members kitchen"]).action(
    action<object, [string]>((context, _options, _, group) => listMembers(context, group)),
  );

  // Messages.

  define("send <to> [text...]", "Send a message to a group, or to @user. @name in the text mentions a user.", [
    'tidings send kitchen "hello @bob"',
    "tidings send @bob see you at noon",
    "uptime | tidings send ops",
  ])
    .option("--metadata <json>", "a JSON object for programs")
    .option("--message-id <id>", "the message's own name: the same one again is stored once")
    .action(
      action<Parameters<typeof sendMessage>[3], [string, string[]]>((context, options, _, to, words) =>
        sendMessage(context, to, words, options),
      ),
    );
  define(
    "tail [conversation...]",
    "Print messages as they come, until Ctrl-C. All conversations, unless some are named.",
    ["tidings tail kitchen", "tidings tail @bob --lines 20", "tidings tail kitchen --since 0 --json | jq .text"],
  )
    .option(
      "-n, --lines <n>",
      "begin with the last n entries",
      argument((text) => parseCount(text, "--lines", 0)),
    )
    .addOption(
      new Option("--since <seq>", "begin after this seq; 0 for everything")
        .argParser(argument((text) => parseCount(text, "--since", 0)))
        .conflicts("lines"),
    )
    .option(
      "--count <n>",
      "end after n messages",
      argument((text) => parseCount(text, "--count")),
    )
    .addOption(transportOption())
    .action(
      action<Parameters<typeof tail>[2], [string[]]>((context, options, _, targets) => tail(context, targets, options)),
    );
  define("history <conversation>", "Print what was said: the last messages, or a part.", [
    "tidings history kitchen -n 20",
    "tidings history kitchen --all --json > kitchen.jsonl",
  ])
    .option(
      "-n, --lines <n>",
      "how many entries",
      argument((text) => parseCount(text, "--lines")),
      50,
    )
    .option(
      "--before <seq>",
      "the last ones before this seq",
      argument((text) => parseCount(text, "--before")),
    )
    .option(
      "--after <seq>",
      "the first ones after this seq",
      argument((text) => parseCount(text, "--after", 0)),
    )
    .option("--all", "everything that you may read")
    .action(
      action<Parameters<typeof showHistory>[2], [string]>((context, options, _, target) =>
        showHistory(context, target, options),
      ),
    );
  define("read <conversation>", "Move your read marker, to the newest entry unless told.", ["tidings read kitchen"])
    .addArgument(new Argument("[seq]", "up to here").argParser(argument((text) => parseCount(text, "seq", 0))))
    .action(
      action<object, [string, number | undefined]>((context, _options, _, target, seq) =>
        markRead(context, target, seq),
      ),
    );

  // Replay.

  define(
    "replay <file...>",
    "Replay chat transcripts (`[hh:mm] <nick> text`): a group for each file, a user with a live session for each nick. Every session checks every entry that it receives.",
    [
      "tidings replay packages/cli/samples/irc/*.txt",
      "tidings replay chat.txt --transport longpoll --restarts 10 --json",
      "tidings replay chat.txt --url http://127.0.0.1:8484 --speed 60",
    ],
  )
    .addOption(transportOption())
    .option(
      "--speed <factor>",
      "how many times faster than the original; otherwise as fast as it goes",
      argument(parseSpeed),
    )
    .option(
      "--restarts <n>",
      "kill the replay's own server n times and start it on the same data",
      argument((text) => parseCount(text, "--restarts", 0)),
      0,
    )
    .option("--keep", "keep the data of the replay's own server")
    .addHelpText(
      "after",
      "\nWithout --url on the command line the replay starts a server of its own, on a folder of its own.\nWith --json the last line is one JSON object. The exit code is 1 if anything was lost, doubled or misordered.",
    )
    .action(
      action<Omit<Parameters<typeof replay>[2], "onRunningServer">, [string[]]>((context, options, command, files) =>
        replay(context, files, {
          ...options,
          onRunningServer: command.getOptionValueSourceWithGlobals("url") === "cli",
        }),
      ),
    );

  return program;
}

const serverCommands = [
  ["serve", "Start a server here. See tidings serve --help."],
  ["backup", "Copy the data of a server, also while it runs. See tidings backup --help."],
  ["doctor", "Examine a server's data and settings. See tidings doctor --help."],
] as const;

function withCommonOptions(command: Command): Command {
  return command
    .option("--url <address>", `the server (TIDINGS_URL; else ${defaultUrl})`)
    .option("--as <name>", "which of this machine's logins (TIDINGS_PROFILE; else the last one)")
    .addOption(new Option("--profile <name>", "the same as --as").hideHelp())
    .option("--json", "for machines: one JSON value a line");
}

const passwordOption = (): Option =>
  new Option(
    "--password <password>",
    "better TIDINGS_PASSWORD, standard input, or typed: a list of processes shows this",
  );

const transportOption = (): Option =>
  new Option("--transport <way>", "how to receive")
    .choices(["ws", "longpoll", "poll"] satisfies TransportName[])
    .default("ws" satisfies TransportName);

/** A parser whose refusal commander tells as one of the option. */
const argument =
  <Value>(parse: (text: string) => Value) =>
  (text: string): Value => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof CommandFailure) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };

function parseSpeed(text: string): number {
  const factor = Number(text);
  if (!(factor > 0) || !Number.isFinite(factor)) throw new InvalidArgumentError(`${text} is not a number above 0.`);
  return factor;
}

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
