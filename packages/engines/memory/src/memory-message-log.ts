import { invariant, type LogRecord, type MessageLog, recordBytesMax, recordsAtOnceMax } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { WakeUp } from "./wake-up.ts";

/** Characters of all records together; a log that is full answers `busy`, because nobody tells it what was read (G8). */
export const logCharactersMax = 256 * 1024 * 1024;
const partitionsDefault = 16;

/** A record's position is its number in its partition, so appends made again in their order make the same log. */
export function createMemoryMessageLog(options: { partitions?: number; charactersMax?: number } = {}): MessageLog {
  const charactersMax = options.charactersMax ?? logCharactersMax;
  const partitions = Array.from(
    { length: options.partitions ?? partitionsDefault },
    (): Partition => ({
      records: [],
      news: new WakeUp(),
    }),
  );
  let characters = 0;
  const partitionAt = (index: number): Partition => {
    const partition = partitions[index];
    invariant(partition !== undefined, "A log has the partitions 0 … partitions - 1.");
    return partition;
  };

  return {
    partitions: partitions.length,
    async append(index, body) {
      const { records, news } = partitionAt(index);
      invariant(Buffer.byteLength(body) <= recordBytesMax, "A record has at most the bytes that the port says.");
      if (characters + body.length > charactersMax) throw new TidingsError("busy");
      characters += body.length;
      const position = records.length + 1;
      records.push({ position, body });
      news.wake();
      return position;
    },
    async *read(index, after, signal) {
      const { records, news } = partitionAt(index);
      let position = after;
      while (!signal.aborted) {
        const batch = records.slice(position, position + recordsAtOnceMax);
        if (batch.length === 0) {
          await news.next(signal);
          continue;
        }
        position += batch.length;
        yield batch;
      }
    },
    end: async (index) => partitionAt(index).records.length,
  };
}

type Partition = { readonly records: LogRecord[]; readonly news: WakeUp };
