import type { Clock, Random } from "@tidings/core";
import type { Logger } from "pino";
import type { OpenedEngine, Opener } from "../fleet-openers.ts";

/**
 * Opens an engine, however long it takes until it is there: a machine that ended instead would be started again and again by
 * whoever watches it. Each attempt that fails is logged with its reason. Undefined when the signal aborts first.
 */
export async function openWithBackOff<Engine extends OpenedEngine>(
  { name, open }: Opener<Engine>,
  options: { clock: Clock; random: Random; log: Logger; retryMsMax: number; signal: AbortSignal },
): Promise<Engine | undefined> {
  const { clock, random, log, retryMsMax, signal } = options;
  let backOffMs = Math.min(backOffMsMin, retryMsMax);
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      const engine = await unlessAborted(open(), signal);
      if (engine !== undefined && attempt > 1) log.info({ engine: name, attempt }, `${name} can be used now.`);
      return engine;
    } catch (error) {
      if (signal.aborted) return undefined;
      // Half of it drawn: machines that were started together do not come together each time.
      const retryInMs = Math.ceil(backOffMs * (0.5 + random.fraction() / 2));
      log.warn(
        { engine: name, attempt, reason: reasonOf(error), retryInMs },
        `${name} cannot be used yet; it is tried again.`,
      );
      await clock.sleep(retryInMs, signal);
      backOffMs = Math.min(backOffMs * 2, retryMsMax);
    }
  }
  return undefined;
}

/** An engine that opens after nobody waits for it any more is ended again. */
async function unlessAborted<Engine extends OpenedEngine>(
  opening: Promise<Engine>,
  signal: AbortSignal,
): Promise<Engine | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const onAbort = (): void => resolve(undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const engine = await Promise.race([opening, aborted]);
    if (engine === undefined) opening.then((late) => late.stop()).catch(onAbort);
    return engine;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The sentences of an error and of its causes: a refused connection says what it is only in there. */
export function reasonOf(error: unknown): string {
  const sentences: string[] = [];
  for (let cause = error; cause instanceof Error && sentences.length < causesMax; cause = cause.cause) {
    const inner = cause instanceof AggregateError ? cause.errors.map((one) => reasonOf(one)) : [];
    const sentence = [cause.message, ...inner].filter((one) => one !== "").join("; ");
    if (sentence !== "") sentences.push(sentence);
  }
  return sentences.length === 0 ? String(error) : sentences.join(" ← ");
}

const causesMax = 4;
const backOffMsMin = 250;
