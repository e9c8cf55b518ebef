import { type Change, type ChangeFeed, invariant } from "@tidings/core";
import { asSeq } from "@tidings/protocol";
import type { Reader } from "./reader.ts";
import type { Committed, Writer } from "./writer.ts";

/** Changes of one batch, as the port says. */
const batchMax = 1_000;
/** Changes kept in memory for consumers at the tail; one that is further behind reads the table (G8). */
const tailMax = 16_384;

export type SqliteChangeFeed = {
  readonly feed: ChangeFeed;
  /** What was committed: wakes the consumers at the tail. */
  note(committed: Committed): void;
};

export function createSqliteChangeFeed(options: {
  writer: Writer;
  reader: Reader;
  newest: number;
  consumers: ReadonlyMap<string, number>;
}): SqliteChangeFeed {
  const consumers = new Map(options.consumers);
  const iterating = new Set<string>();
  const waiting = new Set<() => void>();
  let newest = options.newest;
  /** Everything after `tailAfter`, in order. */
  let tail: Change[] = [];
  let tailAfter = newest;

  const note = ({ requests, appended: { changes } }: Committed): void => {
    if (changes.length === 0) return;
    const conversations = [...new Set(requests.map(({ conversation }) => conversation))];
    for (let at = 0; at < changes.length; at += 4) {
      const [position = 0, index = 0, fromSeq = 0, toSeq = 0] = changes.subarray(at, at + 4);
      const conversation = conversations[index];
      invariant(conversation !== undefined, "A change is of a conversation of its batch.");
      tail.push({ position, conversation, fromSeq: asSeq(fromSeq), toSeq: asSeq(toSeq) });
      newest = position;
    }
    // Cut in halves, so that moving the rest of the array costs each change once.
    if (tail.length > tailMax) {
      tail = tail.slice(-tailMax / 2);
      tailAfter = (tail[0]?.position ?? newest + 1) - 1;
    }
    for (const wake of [...waiting]) wake();
  };

  const after = async (position: number): Promise<readonly Change[]> => {
    if (position < tailAfter) {
      const page = await options.reader.call("changesAfter", position, batchMax);
      // The reader may have seen a commit whose entries are not known here yet: it comes with the next page.
      return page.filter((change) => change.position <= newest);
    }
    const index = firstAfter(tail, position);
    return tail.slice(index, index + batchMax);
  };

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

  const advance = (consumer: string, position: number): void => {
    if (position <= (consumers.get(consumer) ?? -1)) return;
    consumers.set(consumer, position);
    options.writer.advance(consumer, position);
  };

  async function* iterate(consumer: string, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
    invariant(!iterating.has(consumer), `The consumer ${consumer} iterates already.`);
    iterating.add(consumer);
    try {
      let position = consumers.get(consumer) ?? 0;
      // From now on the feed keeps for it what it has not advanced over.
      advance(consumer, position);
      while (!signal.aborted) {
        if (position >= newest) {
          await news(signal);
          continue;
        }
        const batch = await after(position);
        if (signal.aborted) break;
        position = batch.at(-1)?.position ?? newest;
        if (batch.length > 0) yield batch;
      }
    } finally {
      iterating.delete(consumer);
    }
  }

  return {
    note,
    feed: {
      changes: iterate,
      advance: async (consumer, position) => advance(consumer, position),
      positions: async () => ({ newest, consumers: new Map(consumers) }),
    },
  };
}

/** The index of the first change after the position. */
function firstAfter(changes: readonly Change[], position: number): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle]?.position ?? Infinity) <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}
