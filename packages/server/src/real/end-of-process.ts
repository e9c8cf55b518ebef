import type { Clock } from "@tidings/core";
import type { Logger } from "pino";
import type { Served } from "../programs/served.ts";

/** Drains at the first signal and ends at once at the second; resolves when it has ended. */
export function endOnSignals(served: Served, { clock, log }: { clock: Clock; log: Logger }): Promise<void> {
  return new Promise((resolve, reject) => {
    let firstMs: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      // The terminal, npm and the start script each pass on one Ctrl-C: that is not somebody who has lost patience.
      if (firstMs !== undefined && clock.monotonicMs() - firstMs < signalEchoMs) return;
      log.info({ signal }, firstMs === undefined ? "Draining; a second signal ends at once." : "Ending at once.");
      const end = firstMs === undefined ? served.drain() : served.stop();
      firstMs ??= clock.monotonicMs();
      end.then(resolve, reject);
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  });
}

/**
 * Who starts a server for himself alone, as a replay does, gives it a channel (`ipc`), which closes when he ends, however he does.
 * Then nobody is left who would end the server, or hear of it.
 */
export function endWithParent(): void {
  process.once("disconnect", () => process.exit(1));
  process.channel?.unref();
}

/** Aborts at the first signal that asks the process to end, for work that ends in order by itself; the second one ends at once. */
export function abortedBySignals(clock: Clock): AbortSignal {
  const interrupted = new AbortController();
  let firstMs: number | undefined;
  const onSignal = (): void => {
    if (firstMs !== undefined && clock.monotonicMs() - firstMs >= signalEchoMs) process.exit(interruptedCode);
    firstMs ??= clock.monotonicMs();
    interrupted.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return interrupted.signal;
}

/** 128 and the number of SIGINT, as shells have it. */
export const interruptedCode = 130;
const signalEchoMs = 1_000;
