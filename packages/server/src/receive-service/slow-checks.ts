import type { Clock } from "@tidings/core";
import type { Logger } from "pino";

/**
 * The machine's own slow clock (design, 4.6 and 4.7): what sessions just registered for is checked a moment later, and all
 * that is here once in a while, the heads of conversations and the memberships of users. Whatever a lossy push missed is
 * found by this.
 */
export class SlowChecks<Id> {
  readonly #clock: Clock;
  readonly #all: () => Iterator<Id>;
  readonly #check: (ids: readonly Id[]) => Promise<void>;
  readonly #log: Logger;
  readonly #fresh = new Set<Id>();
  readonly #walkMsMin: number;
  readonly #roundMax: number;
  #walk: Iterator<Id> | undefined;
  #walkBeganMs = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: {
    clock: Clock;
    /** Begins a walk over everything that is here. */
    all: () => Iterator<Id>;
    check: (ids: readonly Id[]) => Promise<void>;
    log: Logger;
    /** A walk begins so long after the one before it at the earliest. */
    walkMsMin?: number;
    /** How many a walk looks at in a round, of a second. */
    roundMax?: number;
  }) {
    this.#clock = options.clock;
    this.#all = options.all;
    this.#check = options.check;
    this.#log = options.log;
    this.#walkMsMin = options.walkMsMin ?? 0;
    this.#roundMax = options.roundMax ?? roundMaxDefault;
  }

  /** Look at this one in the next round. */
  soon(id: Id): void {
    this.#fresh.add(id);
  }

  start(): void {
    this.#cancel = this.#clock.after(roundMs, () => {
      this.#round()
        .catch((error: unknown) =>
          this.#log.warn({ err: error }, "What is here could not be compared with the databases; it is tried again."),
        )
        .finally(() => {
          if (!this.#stopped) this.start();
        });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #round(): Promise<void> {
    const fresh = [...this.#fresh];
    this.#fresh.clear();
    const failures: unknown[] = [];
    for (const ids of [fresh, this.#nextChunk()]) {
      for (let begin = 0; begin < ids.length; begin += chunkMax) {
        await this.#check(ids.slice(begin, begin + chunkMax)).catch((error: unknown) => failures.push(error));
      }
    }
    // Thrown last: one that cannot be looked at must not keep those behind it from being looked at, round after round.
    if (failures.length > 0) throw failures[0];
  }

  /** Walks over all, a chunk a round: 2,000 take a second, 50,000 take 25. */
  #nextChunk(): Id[] {
    const chunk: Id[] = [];
    if (this.#walk === undefined) {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - this.#walkBeganMs < this.#walkMsMin) return chunk;
      this.#walkBeganMs = nowMs;
      this.#walk = this.#all();
    }
    while (chunk.length < this.#roundMax) {
      const next = this.#walk.next();
      if (next.done) {
        this.#walk = undefined;
        break;
      }
      chunk.push(next.value);
    }
    return chunk;
  }
}

const roundMs = 1_000;
const chunkMax = 500;
const roundMaxDefault = 2_000;
