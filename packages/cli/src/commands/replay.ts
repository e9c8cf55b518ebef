import type { TransportName } from "@tidings/client";
import type { Context } from "../context.ts";
import { CommandFailure, exitCodes, usageFailure } from "../failure.ts";
import { createProgress } from "../progress.ts";
import { runReplay } from "../replay/run.ts";
import { formatSummary, isFlawless } from "../replay/summary.ts";

/** Resolves with the exit code: 0 when every session got everything once, whole and in order. */
export async function replay(
  context: Context,
  files: readonly string[],
  options: {
    readonly transport: TransportName;
    readonly speed?: number;
    readonly restarts: number;
    readonly keep?: boolean;
    /** Was a server named on the command line? */
    readonly onRunningServer: boolean;
  },
): Promise<number> {
  if (options.onRunningServer && (options.restarts > 0 || options.keep)) {
    throw usageFailure("--restarts and --keep are for a server of the replay's own, so they do not go with --url.");
  }
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new CommandFailure("Interrupted.", { exitCode: exitCodes.interrupted }));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    const { summary, remarks } = await runReplay({
      files,
      transport: options.transport,
      url: options.onRunningServer ? context.url : undefined,
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
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}
