import { invariant, keysAtOnceMax, type LogImage, StaleEpochError, WrongPositionError } from "@tidings/core";
import type { ApplyQueue } from "./apply-queue.ts";
import { type BatchStorage, findStored } from "./batch-storage.ts";
import type { Database } from "./database.ts";
import { sqlState } from "./postgres-failure.ts";
import { TakeOverQueue } from "./take-over-queue.ts";

export function createPostgresLogImage(parts: { db: Database; storage: BatchStorage; applies: ApplyQueue }): LogImage {
  const { db, storage, applies } = parts;
  const takeOvers = new TakeOverQueue(db, storage);
  return {
    takeOver: (partition, epoch) => takeOvers.takeOver(partition, epoch),
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

const selectPosition = { name: "position", text: "SELECT position FROM partitions WHERE partition = $1" };
