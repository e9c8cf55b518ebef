import { type AppendOutcome, type AppendRequest, invariant } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { BatchStorage } from "./batch-storage.ts";

/** What may wait for the transaction under way (G8). */
export const waitingAppendsMax = 20_000;
export const waitingCharactersMax = 64 * 1024 * 1024;
/** One transaction takes so many: a batch of the change feed has 1,000 changes at most, and never a part of a transaction. */
const batchAppendsMax = 1_000;
const batchCharactersMax = 4 * 1024 * 1024;
const overloadRetryMs = 500;

/**
 * Self-clocking group commit for appends that come without a log: while one transaction is under way, whatever arrives waits, and goes
 * with the next one, in order. If one fails, all that waits is rejected with it, so that nothing overtakes what was made before (G4).
 */
export class AppendQueue {
  readonly #storage: BatchStorage;
  #waiting: Waiting[] = [];
  #characters = 0;
  #isRunning = false;
  #refusal: TidingsError | undefined;
  #idle: (() => void)[] = [];

  constructor(storage: BatchStorage) {
    this.#storage = storage;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  append(request: AppendRequest): Promise<AppendOutcome> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    const characters = charactersOf(request);
    if (this.#waiting.length >= waitingAppendsMax || this.#characters + characters > waitingCharactersMax) {
      const detail = "Too many appends wait for PostgreSQL.";
      return Promise.reject(new TidingsError("unavailable", { detail, retryAfterMs: overloadRetryMs }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, characters, resolve, reject });
      this.#characters += characters;
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Takes no more, and resolves when what waits is stored or rejected. */
  async drain(): Promise<void> {
    this.#refusal ??= new TidingsError("unavailable", {
      detail: "The engine takes no more appends: it is being stopped.",
    });
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What was called in the same turn goes together.
    await undefined;
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        const outcomes = await this.#storage.store(batch.map(({ request }) => request));
        for (const [index, { resolve }] of batch.entries()) {
          const outcome = outcomes[index];
          invariant(outcome !== undefined, "Every request has its outcome.");
          resolve(outcome);
        }
      } catch (error) {
        for (const { reject } of [...batch, ...this.#takeAll()]) reject(error);
      }
    }
    this.#isRunning = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #take(): Waiting[] {
    let count = 0;
    let characters = 0;
    for (const waiting of this.#waiting) {
      if (count === batchAppendsMax || (count > 0 && characters + waiting.characters > batchCharactersMax)) break;
      count += 1;
      characters += waiting.characters;
    }
    this.#characters -= characters;
    return this.#waiting.splice(0, count);
  }

  #takeAll(): Waiting[] {
    this.#characters = 0;
    return this.#waiting.splice(0);
  }
}

type Waiting = {
  readonly request: AppendRequest;
  readonly characters: number;
  resolve(outcome: AppendOutcome): void;
  reject(error: unknown): void;
};

function charactersOf({ drafts }: AppendRequest): number {
  let characters = 0;
  for (const { json } of drafts) characters += json.length;
  return characters;
}
