import { StaleEpochError } from "@tidings/core";
import type { BatchStorage } from "./batch-storage.ts";
import type { Database } from "./database.ts";

/**
 * Takes partitions over, those that are asked for meanwhile in one transaction: who comes after a dead worker takes all of his at once,
 * and each has to be on disk.
 */
export class TakeOverQueue {
  readonly #db: Database;
  readonly #storage: BatchStorage;
  #waiting: Waiting[] = [];
  #isRunning = false;

  constructor(db: Database, storage: BatchStorage) {
    this.#db = db;
    this.#storage = storage;
  }

  /** Answers with the position; rejects with `StaleEpochError` and `unavailable`. */
  takeOver(partition: number, epoch: number): Promise<{ position: number }> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ partition, epoch, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What was called in the same turn goes together.
    await undefined;
    while (this.#waiting.length > 0) await this.#takeTogether(this.#take());
    this.#isRunning = false;
  }

  async #takeTogether(group: readonly Waiting[]): Promise<void> {
    // Where the log is gone through again, what was stored before may not be there any more.
    this.#storage.forget();
    const [partitions, epochs] = [group.map(({ partition }) => partition), group.map(({ epoch }) => epoch)];
    try {
      const rows = await this.#db.write<{ partition: number; position: number }>(takeOver, partitions, epochs);
      const positions = new Map(rows.map(({ partition, position }) => [partition, position]));
      for (const { partition, epoch, resolve, reject } of group) {
        const position = positions.get(partition);
        if (position !== undefined) resolve({ position });
        else reject(new StaleEpochError(`Partition ${partition} is held with a higher epoch than ${epoch}.`));
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  /** Each partition once: what comes for one again goes with the next transaction. */
  #take(): Waiting[] {
    const taken = new Map<number, Waiting>();
    const left: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (taken.has(waiting.partition)) left.push(waiting);
      else taken.set(waiting.partition, waiting);
    }
    this.#waiting = left;
    return [...taken.values()];
  }
}

type Waiting = {
  readonly partition: number;
  readonly epoch: number;
  resolve(answer: { position: number }): void;
  reject(error: unknown): void;
};

/** In the order of the partitions, as batches lock them, so that no two wait for each other. */
const takeOver = {
  name: "take-over",
  text: `INSERT INTO partitions AS p (partition, position, epoch)
    SELECT partition, 0, epoch FROM unnest($1::integer[], $2::bigint[]) AS a (partition, epoch) ORDER BY partition
    ON CONFLICT (partition) DO UPDATE SET epoch = excluded.epoch WHERE p.epoch <= excluded.epoch
    RETURNING partition, position`,
};
