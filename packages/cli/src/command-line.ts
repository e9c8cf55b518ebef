import { type Command, InvalidArgumentError, Option } from "commander";
import { createContext, defaultUrl } from "./context.ts";
import type { CommonOptions, Context } from "./context.ts";
import { CommandFailure } from "./failure.ts";

/** A command as the files in commands/ declare it, told to commander in one place. */
export type CommandDeclaration = {
  /** Name and arguments, as commander writes them: `join <group>`. */
  readonly usage: string;
  readonly about: string;
  readonly examples: readonly string[];
  readonly options?: readonly Option[];
  /** Further lines of the help. */
  readonly notes?: readonly string[];
  /** Resolves with the exit code, or with nothing for 0. */
  readonly run: (context: Context, options: unknown, values: readonly unknown[]) => Answer;
};

type Answer = Promise<number | undefined> | Promise<void>;

/** A declaration whose `run` gets its options and arguments with their types; commander knows them at run time only. */
export function declareCommand<Options extends object, Values extends unknown[]>(
  declaration: Omit<CommandDeclaration, "run"> & {
    readonly run: (context: Context, options: Options, ...values: Values) => Answer;
  },
): CommandDeclaration {
  return {
    ...declaration,
    run: (context, options, values) => declaration.run(context, options as Options, ...(values as Values)),
  };
}

/** Adds a declared command to the program. `onExit` hears its exit code. */
export function addCommand(
  program: Command,
  declaration: CommandDeclaration,
  { env, onExit }: { env: NodeJS.ProcessEnv; onExit: (exitCode: number) => void },
): void {
  const command = withCommonOptions(program.command(declaration.usage)).description(declaration.about);
  for (const option of declaration.options ?? []) command.addOption(option);
  const notes = declaration.notes === undefined ? "" : `\n${declaration.notes.join("\n")}\n`;
  command.addHelpText("after", `${notes}\nExamples:\n${declaration.examples.map((line) => `  ${line}`).join("\n")}`);
  command.action(async (...given: unknown[]) => {
    const options = command.optsWithGlobals<CommonOptions>();
    const urlGiven = command.getOptionValueSourceWithGlobals("url") === "cli";
    // Commander adds the options and itself to the arguments.
    const values = given.slice(0, -2);
    onExit((await declaration.run(createContext({ ...options, urlGiven }, env), options, values)) ?? 0);
  });
}

/** The options that every command takes, before its name or after. */
export function withCommonOptions(command: Command): Command {
  return command
    .option("--url <address>", `the server (TIDINGS_URL; else ${defaultUrl})`)
    .option("--as <name>", "which of this machine's logins (TIDINGS_PROFILE; else the last one)")
    .addOption(new Option("--profile <name>", "the same as --as").hideHelp())
    .option("--json", "for machines: one JSON value a line");
}

/** An option with a parser that throws a CommandFailure; commander tells it as a mistake in that option. */
export function parsedOption<Value>(flags: string, description: string, parse: (text: string) => Value): Option {
  return new Option(flags, description).argParser((text: string) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof CommandFailure) throw new InvalidArgumentError(error.message);
      throw error;
    }
  });
}

export const transportOption = (): Option =>
  new Option("--transport <way>", "how to receive").choices(["ws", "longpoll", "poll"]).default("ws");
