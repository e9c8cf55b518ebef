import { setTimeout as sleep } from "node:timers/promises";
import type { PlannedMessage } from "./plan.ts";

/**
 * Restarts at random moments that are spread over a run: one in each of as many equal parts of the messages as there are restarts. A part's
 * restart is set off when sending reaches a random message of it, and a random short while later it happens, whatever is on the way
 * at that moment. The last message waits for the last restart, so that all of them happen while messages flow.
 */
export type RestartSchedule = {
  /** To be awaited before each message is sent. */
  before(message: PlannedMessage): Promise<void>;
  readonly done: number;
};

const delayMsMax = 150;

export function createRestartSchedule(options: {
  restarts: number;
  messages: number;
  restart: () => Promise<void>;
  random: () => number;
  signal: AbortSignal;
}): RestartSchedule {
  const { messages, restart, random, signal } = options;
  const positions = drawPositions(options.restarts, messages, random);
  let under = Promise.resolve();
  let failure: { readonly cause: unknown } | undefined;
  let done = 0;

  const setOff = async () => {
    await sleep(random() * delayMsMax, undefined, { signal });
    await restart();
    done += 1;
  };

  return {
    async before(message) {
      while ((positions[0] ?? Number.POSITIVE_INFINITY) <= message.position) {
        positions.shift();
        await under;
        // A failure is kept for whoever awaits next: the promise itself must never reject unheard.
        under = setOff().catch((cause: unknown) => {
          failure = { cause };
        });
      }
      if (message.position === messages - 1) await under;
      if (failure !== undefined) throw failure.cause;
    },
    get done() {
      return done;
    },
  };
}

/** The positions of the messages at which restarts are set off, ascending. */
export function drawPositions(restarts: number, messages: number, random: () => number): number[] {
  return Array.from({ length: restarts }, (_, part) => Math.floor(((part + random()) / restarts) * messages));
}
