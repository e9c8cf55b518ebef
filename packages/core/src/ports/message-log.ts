/**
 * The Message Log: the durable queue between the Send and Group Services and the Messaging Workers, split in partitions by
 * conversation (see `partitionOf`). One record holds many requests. What is in the log is the truth; the Messaging DB
 * is its image.
 *
 * Errors: `unavailable` (the log does not answer; a record may or may not have been appended) and `busy` (the log is full:
 * nothing was appended). A reading that was rejected is begun again by its reader, after the last record that it took.
 */
export interface MessageLog {
  /** Fixed for the life of an installation. */
  readonly partitions: number;
  /**
   * Appends one record; resolves with its position when it would survive the loss of power (G1). Ordering: records that one
   * caller appends to one partition one after the other, each after the answer to the one before, stand in that order. Positions
   * of a partition ascend, not necessarily without holes. Repetition: a body that is appended twice stands there twice;
   * the keys of its requests make that harmless. At most `recordBytesMax` bytes.
   */
  append(partition: number, body: string): Promise<number>;
  /**
   * The records of a partition behind `after` (0: from the first one that the log still has), in order, and then live, until the
   * signal aborts (the iteration then ends without an error). Only durable records. A batch holds at most
   * `recordsAtOnceMax` records; nothing is read ahead of the reader by more than one batch. Any number of readers.
   */
  read(partition: number, after: number, signal: AbortSignal): AsyncIterable<readonly LogRecord[]>;
  /** The position of the last durable record of a partition; 0 if it never had one. */
  end(partition: number): Promise<number>;
}

export type LogRecord = {
  readonly position: number;
  /** As `encodeLogRecord` made it, or whatever somebody else put there. */
  readonly body: string;
};

/** Half of what a NATS server takes in one message by default. */
export const recordBytesMax = 512 * 1024;
export const recordsAtOnceMax = 256;
