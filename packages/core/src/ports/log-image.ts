import type { ConversationId, MessageId, Seq, UserId } from "@tidings/protocol";
import type { AppendOutcome, AppendRequest } from "./message-store.ts";

/**
 * The Messaging DB as the image of the Message Log: what a Messaging Worker applies, partition by partition, strictly in the
 * order of the log. For each partition the database keeps how far it has come and the epoch of the holder who
 * may go on, both in the transaction of the entries. What is applied is read through `MessageStore`.
 *
 * Errors: `unavailable` as in MessageStore, also for a transaction of which nobody knows whether it was committed (`takeOver` with
 * the same epoch then tells). `takeOver` and `apply` reject with a StaleEpochError if a higher epoch was seen: the caller is not
 * the partition's holder any more.
 */
export interface LogImage {
  /**
   * From now on nobody applies anything to the partition with a lower epoch. Answers with the position of the last record
   * that is applied; 0 if none is. Again with the same epoch changes nothing. Durable.
   */
  takeOver(partition: number, epoch: number): Promise<{ readonly position: number }>;
  /**
   * Applies the requests of the records behind `afterPosition` up to `toPosition`, in order, each as `MessageStore.append` would:
   * a repetition of a key is a `duplicate`, a condition that does not hold a `conflict`. Outcomes in the order of the
   * requests. Atomic and durable, together with the position and the epoch. With `toPosition` equal to `afterPosition` the position
   * stays: a part of a record is applied, whose rest follows. If the partition's position is not
   * `afterPosition`, nothing is applied and it rejects with a WrongPositionError.
   */
  apply(batch: LogBatch): Promise<readonly AppendOutcome[]>;
  /** How far the partition is applied. At least what was answered before. */
  position(partition: number): Promise<number>;
  /** Where requests with these keys were stored, in the order of the keys; at most `keysAtOnceMax` keys. Freshness as `position`. */
  find(keys: readonly LoggedKey[]): Promise<readonly (Stored | undefined)[]>;
}

export const keysAtOnceMax = 1_000;

/** Every request in the log has a key, so that a record which stands there twice is applied once (G2). */
export type LoggedRequest = AppendRequest & { readonly key: NonNullable<AppendRequest["key"]> };

export type LoggedKey = {
  readonly conversation: ConversationId;
  readonly sender: UserId;
  readonly messageId: MessageId;
};

/** The first entry of a stored request, and its time. */
export type Stored = { readonly seq: Seq; readonly atMs: number };

export type LogBatch = {
  readonly partition: number;
  readonly epoch: number;
  readonly afterPosition: number;
  readonly toPosition: number;
  readonly requests: readonly LoggedRequest[];
};

/** Another holder has the partition: the caller stops, and learns from the store what it did not do any more. */
export class StaleEpochError extends Error {
  override readonly name = "StaleEpochError";
}

/** The caller's idea of how far the partition is applied is not the store's. */
export class WrongPositionError extends Error {
  override readonly name = "WrongPositionError";
}
