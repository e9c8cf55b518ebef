import { type Change, type ChangeFeed, invariant } from "@tidings/core";
import type { ConversationId, Seq } from "@tidings/protocol";

/** Changes of one batch, as the port says. */
const batchMax = 1_000;

/** The feed, and the function by which the message store tells it what was committed. */
export function createMemoryChangeFeed(): {
  feed: ChangeFeed;
  note: (conversation: ConversationId, fromSeq: Seq, toSeq: Seq) => void;
} {
  let changes: Change[] = [];
  let newest = 0;
  const consumers = new Map<string, number>();
  const iterating = new Set<string>();
  const waiting = new Set<() => void>();

  /** Forgets what every known consumer is done with. */
  const forget = (): void => {
    const done = Math.min(...consumers.values());
    const first = changes[0]?.position ?? newest + 1;
    // Moving the rest of the array costs its length, so it is done once for many changes.
    if (done - first > batchMax || done === newest) changes = changes.slice(done - first + 1);
  };
  const indexAfter = (position: number): number => Math.max(0, position + 1 - (changes[0]?.position ?? newest + 1));
  const news = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wake = () => {
        waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener("abort", wake);
    });

  async function* iterate(consumer: string, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
    invariant(!iterating.has(consumer), `The consumer ${consumer} iterates already.`);
    iterating.add(consumer);
    try {
      // From now on the feed keeps for it what it has not advanced over.
      let position = consumers.get(consumer) ?? (changes[0]?.position ?? newest + 1) - 1;
      consumers.set(consumer, position);
      while (!signal.aborted) {
        if (position === newest) {
          await news(signal);
          continue;
        }
        const index = indexAfter(position);
        const batch = changes.slice(index, index + batchMax);
        position = batch.at(-1)?.position ?? newest;
        yield batch;
      }
    } finally {
      iterating.delete(consumer);
    }
  }

  return {
    note(conversation, fromSeq, toSeq) {
      newest += 1;
      changes.push({ position: newest, conversation, fromSeq, toSeq });
      for (const wake of [...waiting]) wake();
    },
    feed: {
      changes: iterate,
      async advance(consumer, position) {
        invariant(position <= newest, "A consumer advances over changes that it was given.");
        if (position <= (consumers.get(consumer) ?? -1)) return;
        consumers.set(consumer, position);
        forget();
      },
      positions: async () => ({ newest, consumers: new Map(consumers) }),
    },
  };
}
