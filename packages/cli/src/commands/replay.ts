import type { TransportName } from "@tidings/client";
import { Option } from "commander";
import { declareCommand, parsedOption, transportOption } from "../command-line.ts";
import type { Context } from "../context.ts";
import { parseCount } from "../durations.ts";
import { CommandFailure, exitCodes, usageFailure } from "../failure.ts";
import { createProgress } from "../progress.ts";
import { runReplay } from "../replay/run.ts";
import { formatSummary, isFlawless } from "../replay/summary.ts";

export const replayCommand = declareCommand({
  usage: "replay <file...>",
  about: "Replay chat transcripts, and check that nothing is lost, doubled or out of order.",
  options: [
    transportOption(),
    parsedOption(
      "--speed <factor>",
      "how many times faster than the original; otherwise as fast as it goes",
      parseSpeed,
    ),
    parsedOption("--restarts <n>", "kill the replay's own server n times and start it on the same data", (text) =>
      parseCount(text, "--restarts", 0),
    ).default(0),
    new Option("--keep", "keep the data of the replay's own server"),
  ],
  notes: [
    "A transcript has lines of the form `[hh:mm] <nick> text`. Each file becomes a group and each nick a user with a live",
    "session. `nick:` or `nick,` at the start of a text is a mention. Every session checks every entry that it receives.",
    "Without --url on the command line the replay starts a server of its own, on a folder of its own.",
    "With --json the last line is one JSON object. The exit code is 1 if anything was lost, doubled or misordered.",
  ],
  examples: [
    "tidings replay packages/cli/samples/irc/*.txt",
    "tidings replay chat.txt --transport longpoll --restarts 10 --json",
    "tidings replay chat.txt --url http://127.0.0.1:8484 --speed 60",
  ],
  run: replay,
});

/** Resolves with the exit code: 0 when every session got everything once, whole and in order. */
async function replay(
  context: Context,
  options: {
    readonly transport: TransportName;
    readonly speed?: number;
    readonly restarts: number;
    readonly keep?: boolean;
  },
  files: readonly string[],
): Promise<number> {
  if (context.urlGiven && (options.restarts > 0 || options.keep)) {
    throw usageFailure("--restarts and --keep are for a server of the replay's own, so they do not go with --url.");
  }
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new CommandFailure("Interrupted.", { exitCode: exitCodes.interrupted }));
  for (const name of endSignals) process.once(name, interrupt);
  try {
    const { summary, remarks } = await runReplay({
      files,
      transport: options.transport,
      url: context.urlGiven ? context.url : undefined,
      speed: options.speed,
      restarts: options.restarts,
      keep: options.keep ?? false,
      configFolder: context.configFolder,
      progress: createProgress(process.stderr),
      signal: interrupted.signal,
    });
    const lines = formatSummary(summary, remarks);
    // With --json the summary is a remark, so that standard output holds the one object and nothing else.
    for (const line of lines) context.out.json ? context.out.remark(line) : context.out.line(line);
    context.out.value(summary);
    return isFlawless(summary) ? exitCodes.ok : exitCodes.failure;
  } finally {
    for (const name of endSignals) process.off(name, interrupt);
  }
}

/** Whoever ends the replay ends its server, too. */
const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function parseSpeed(text: string): number {
  const factor = Number(text);
  if (!(factor > 0) || !Number.isFinite(factor)) throw usageFailure(`${text} is not a number above 0.`);
  return factor;
}
