import { TidingsError } from "@tidings/protocol";
import type { Clock, LogImage } from "@tidings/core";

/**
 * Waits until the image of the log has come to a position. Partitions that somebody waits for are looked at one after the
 * other's answer, soon at first and then less often.
 */
export class AppliedPositions {
  readonly #image: LogImage;
  readonly #clock: Clock;
  readonly #partitions = new Map<number, Set<Waiting>>();

  constructor(options: { image: LogImage; clock: Clock }) {
    this.#image = options.image;
    this.#clock = options.clock;
  }

  /** Resolves when the record at the position is applied; rejects with `unavailable` if that takes too long. */
  reached(partition: number, position: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { position, untilMs: this.#clock.monotonicMs() + patienceMs, resolve, reject };
    const others = this.#partitions.get(partition);
    if (others === undefined) {
      const first = new Set([waiting]);
      this.#partitions.set(partition, first);
      void this.#follow(partition, first);
    } else {
      others.add(waiting);
    }
    return promise;
  }

  async #follow(partition: number, waiting: Set<Waiting>): Promise<void> {
    let pauseMs = pauseMsMin;
    while (waiting.size > 0) {
      // A database that does not answer is asked again until those who wait have lost patience.
      const applied = await this.#image.position(partition).catch(() => 0);
      const nowMs = this.#clock.monotonicMs();
      for (const one of waiting) {
        if (one.position <= applied) one.resolve();
        else if (nowMs >= one.untilMs) one.reject(new TidingsError("unavailable", { detail: notYet }));
        else continue;
        waiting.delete(one);
        pauseMs = pauseMsMin;
      }
      if (waiting.size === 0) break;
      await this.#clock.sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, pauseMsMax);
    }
    this.#partitions.delete(partition);
  }
}

type Waiting = {
  readonly position: number;
  readonly untilMs: number;
  resolve(): void;
  reject(error: unknown): void;
};

const notYet = "The change is on its way and not applied yet; the same call again tells whether it was.";
/** Longer than a lease and what it takes to take over. */
const patienceMs = 10_000;
const pauseMsMin = 10;
const pauseMsMax = 200;
