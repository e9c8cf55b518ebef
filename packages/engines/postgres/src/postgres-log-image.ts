import { invariant, keysAtOnceMax, type LogImage, StaleEpochError, WrongPositionError } from "@tidings/core";
import type { ApplyQueue } from "./apply-queue.ts";
import { type BatchStorage, findStored } from "./batch-storage.ts";
import type { Database } from "./database.ts";
import { sqlState } from "./postgres-failure.ts";

export function createPostgresLogImage(parts: { db: Database; storage: BatchStorage; applies: ApplyQueue }): LogImage {
  const { db, storage, applies } = parts;
  return {
    async takeOver(partition, epoch) {
      // Where the log is gone through again, what was stored before may not be there any more.
      storage.forget();
      const [row] = await db.write<{ position: number }>(takeOver, partition, epoch);
      if (row === undefined)
        throw new StaleEpochError(`Partition ${partition} is held with a higher epoch than ${epoch}.`);
      return row;
    },
    async apply(batch) {
      invariant(batch.toPosition >= batch.afterPosition, "A position never moves back.");
      try {
        return await applies.apply(batch);
      } catch (error) {
        throw refusalOf(error);
      }
    },
    position: async (partition) => (await db.read<{ position: number }>(selectPosition, partition))[0]?.position ?? 0,
    async find(keys) {
      invariant(keys.length <= keysAtOnceMax, "Not more keys at once than the port says.");
      return findStored(db.read, keys);
    },
  };
}

/** What the function in the database says of the partition, as the port says it. */
function refusalOf(error: unknown): unknown {
  const state = sqlState(error);
  const sentence = error instanceof Error ? error.message : "";
  if (state === "TD001") return new StaleEpochError(sentence, { cause: error });
  if (state === "TD002") return new WrongPositionError(sentence, { cause: error });
  return error;
}

const takeOver = {
  name: "take-over",
  text: `INSERT INTO partitions AS p (partition, position, epoch) VALUES ($1, 0, $2)
    ON CONFLICT (partition) DO UPDATE SET epoch = excluded.epoch WHERE p.epoch <= excluded.epoch RETURNING position`,
};
const selectPosition = { name: "position", text: "SELECT position FROM partitions WHERE partition = $1" };
