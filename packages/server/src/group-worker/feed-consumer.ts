import type { Change, ChangeFeed, Clock } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { Logger } from "pino";
import type { Running } from "../services.ts";

export type FeedConsumerOptions = {
  readonly name: string;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Logger;
  /** Does whatever the changes ask for; again is harmless. */
  readonly handle: (changes: readonly Change[]) => Promise<void>;
};

/**
 * Follows the change feed under a name. A database that does not answer is asked again, with back-off. A change that
 * cannot be handled for another reason is set aside after a few tries, with an alarm, so that it does not stop those behind
 * it: what it would have pushed is still stored, and found by heads and sync.
 */
export class FeedConsumer implements Running {
  readonly #options: FeedConsumerOptions;
  readonly #stopped = new AbortController();
  #ended: Promise<void> | undefined;
  #backOffMs = backOffMsMin;
  /** Changes set aside since the start: an alarm if it is not 0. */
  setAside = 0;

  constructor(options: FeedConsumerOptions) {
    this.#options = options;
  }

  run(): Promise<void> {
    this.#ended ??= this.#follow();
    return this.#ended;
  }

  /** The position is stored, so there is nothing to finish: what was not handled comes again at the next start. */
  async drain(): Promise<void> {
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#ended;
  }

  async #follow(): Promise<void> {
    const { feed, name, clock, log } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        for await (const changes of feed.changes(name, signal)) {
          await this.#handleAll(changes);
          const last = changes.at(-1);
          if (last !== undefined) await feed.advance(name, last.position);
          this.#backOffMs = backOffMsMin;
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error, consumer: name }, "The change feed could not be followed; it is tried again.");
        await clock.sleep(this.#backOffMs, signal);
        this.#backOffMs = Math.min(this.#backOffMs * 2, backOffMsMax);
      }
    }
  }

  async #handleAll(changes: readonly Change[]): Promise<void> {
    try {
      await this.#options.handle(changes);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      for (const change of changes) await this.#handleOne(change);
    }
  }

  async #handleOne(change: Change): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#options.handle([change]);
      } catch (error) {
        if (isUnavailable(error)) throw error;
        if (attempt < attemptsMax) continue;
        this.setAside += 1;
        this.#options.log.error({ err: error, consumer: this.#options.name, ...change }, "A change was set aside.");
        return;
      }
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof TidingsError && error.code === "unavailable";
}

const attemptsMax = 3;
const backOffMsMin = 100;
const backOffMsMax = 5_000;
