import type { Change, ChangeFeed } from "@tidings/core";

/** A feed whose server lets a consumer in anew, and ends his former reading: he may be back before it was noticed that he was gone. */
export function oneReaderFeed(feed: ChangeFeed): ChangeFeed {
  const readings = new Map<string, { stop: AbortController; iterator: AsyncIterator<readonly Change[]> }>();

  async function* changes(consumer: string, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
    const former = readings.get(consumer);
    former?.stop.abort();
    await former?.iterator.return?.();
    const stop = new AbortController();
    const end = (): void => stop.abort();
    signal.addEventListener("abort", end, { once: true });
    const iterator = feed.changes(consumer, stop.signal)[Symbol.asyncIterator]();
    readings.set(consumer, { stop, iterator });
    try {
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      signal.removeEventListener("abort", end);
      stop.abort();
      await iterator.return?.();
    }
  }

  return { ...feed, changes };
}
