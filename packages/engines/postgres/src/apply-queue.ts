import type { AppendOutcome, LogBatch } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { BatchStorage } from "./batch-storage.ts";

/** Transactions under way: while one waits for the disk, the next one is made. */
const transactionsMax = 2;
/** Requests of one transaction, and the characters of their entries; a batch alone may be larger. */
const requestsMax = 1_000;
const charactersMax = 4 * 1024 * 1024;

/**
 * Self-clocking group commit for batches of different partitions of the log: while transactions are under way, whatever arrives waits, and
 * goes together with the next one. A partition's holder waits for each of his batches, so there are never more than partitions.
 *
 * What the database refuses of several partitions it is asked again for each of them, so that nobody pays for another one's.
 */
export class ApplyQueue {
  readonly #storage: BatchStorage;
  #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(storage: BatchStorage) {
    this.#storage = storage;
  }

  /** Batches that wait for their transaction. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Rejects with what the database says, TD001 and TD002 of the partition among it, and with `unavailable`. */
  apply(batch: LogBatch): Promise<readonly AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject });
      // What was called in the same turn goes together.
      if (this.#underWay < transactionsMax) queueMicrotask(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    if (this.#underWay >= transactionsMax) return;
    this.#underWay += 1;
    while (this.#waiting.length > 0) await this.#storeTogether(this.#take());
    this.#underWay -= 1;
  }

  async #storeTogether(group: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#storage.store(
        group.flatMap(({ batch }) => batch.requests),
        group.map(({ batch }) => batch),
      );
      let from = 0;
      for (const { batch, resolve } of group) {
        resolve(outcomes.slice(from, from + batch.requests.length));
        from += batch.requests.length;
      }
    } catch (error) {
      const isAboutOneOfThem = group.length > 1 && !(error instanceof TidingsError);
      if (isAboutOneOfThem) await Promise.all(group.map((one) => this.#storeTogether([one])));
      else for (const { reject } of group) reject(error);
    }
  }

  #take(): Waiting[] {
    const partitions = new Set<number>();
    const [taken, left]: [Waiting[], Waiting[]] = [[], []];
    let [requests, characters] = [0, 0];
    for (const waiting of this.#waiting) {
      const { partition, requests: own } = waiting.batch;
      const ownCharacters = charactersOf(waiting.batch);
      const hasRoom = requests + own.length <= requestsMax && characters + ownCharacters <= charactersMax;
      if (taken.length > 0 && (!hasRoom || partitions.has(partition))) {
        left.push(waiting);
        continue;
      }
      taken.push(waiting);
      partitions.add(partition);
      requests += own.length;
      characters += ownCharacters;
    }
    this.#waiting = left;
    return taken;
  }
}

type Waiting = {
  readonly batch: LogBatch;
  resolve(outcomes: readonly AppendOutcome[]): void;
  reject(error: unknown): void;
};

function charactersOf({ requests }: LogBatch): number {
  let characters = 0;
  for (const { drafts } of requests) for (const { json } of drafts) characters += json.length;
  return characters;
}
