import type { ConversationId, Seq } from "@tidings/protocol";

/**
 * What was committed to the Messaging DB, in commit order, for named consumers with stored positions. The change
 * data capture of the drawing.
 *
 * Errors: `unavailable`, as in MessageStore. An iteration that was rejected is begun again by its consumer.
 */
export interface ChangeFeed {
  /**
   * Batches of changes after the consumer's stored position, and then live, until the signal aborts (the iteration then
   * ends without an error). A consumer that never advanced begins at the first change that the feed still has; from then on
   * it is known, and the feed keeps what it has not advanced over.
   *
   * Ordering: by position; changes of one commit may have one position, and then come in one batch. Of one conversation, ranges
   * are contiguous and ascending. At least once: what was not advanced over comes again after a restart. Only committed changes,
   * which can be read; each commit is seen without polling delay. A batch holds at most 1,000 changes, or those of one commit;
   * nothing is read ahead of the consumer by more than one batch. One iteration for a consumer at a time.
   */
  changes(consumer: string, signal: AbortSignal): AsyncIterable<readonly Change[]>;

  /**
   * Says that a consumer is done with every change up to `position`. Becomes durable soon, not necessarily before the
   * promise resolves; a crash may take it back. Never moves back. The feed forgets what every known consumer is done with.
   */
  advance(consumer: string, position: number): Promise<void>;

  /**
   * Where each known consumer is, and a position that no commit before the call is behind: the difference says how far the consumer
   * is behind, in what the engine counts positions by (changes, or bytes of its log).
   */
  positions(): Promise<{ readonly newest: number; readonly consumers: ReadonlyMap<string, number> }>;
}

/** The conversation's entries fromSeq … toSeq were committed. */
export type Change = {
  readonly position: number;
  readonly conversation: ConversationId;
  readonly fromSeq: Seq;
  readonly toSeq: Seq;
  /** All of them are messages that mention nobody. Absent where that is not so, and where the feed does not know. */
  readonly isPlain?: true;
};
