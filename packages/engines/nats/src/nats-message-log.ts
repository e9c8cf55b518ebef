import { DiscardPolicy, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import { invariant, type LogRecord, type MessageLog, recordBytesMax } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { appendOnce } from "./append-once.ts";
import { unavailable } from "./errors.ts";
import { keepStream, noteDrift, type WantedStream } from "./keep-stream.ts";
import { callMsMax, duplicateMs, logAgeMsDefault, logBytesDefault, retryMs } from "./limits.ts";
import type { Nats } from "./nats.ts";
import { StreamReading } from "./stream-reading.ts";

export type NatsLogOptions = {
  readonly partitions: number;
  readonly replicas: number;
  readonly streams: number;
  readonly retention: { readonly bytesMax?: number; readonly ageMs?: number };
};

/** The name of a message's id and what else NATS stores beside a record. */
const headerBytesMax = 1024;

/** Partitions over a few streams: each stream is one group of replicas with one leader, and orders and syncs by itself. */
export async function openNatsMessageLog(nats: Nats, options: NatsLogOptions): Promise<MessageLog> {
  const { partitions } = options;
  const streams = Math.min(options.streams, partitions);
  for (let index = 0; index < streams; index += 1) {
    const wanted = wantedStream(nats.name, index, { ...options, streams });
    const info = await keepStream(nats, wanted);
    const kept = `${[...info.config.subjects].sort()}`;
    if (kept !== `${[...wanted.subjects].sort()}`) {
      throw new TidingsError("internal", {
        detail: `The stream ${wanted.name} has other partitions than ${partitions} over ${streams} streams, which are fixed for life.`,
      });
    }
    noteDrift(nats, wanted, info);
  }
  const streamOf = (partition: number): string => logStreamName(nats.name, partition % streams);
  /** No two appends have one name; beside others' it is as hard to guess as its first part. */
  const opened = nats.random.unguessable(22);
  let appends = 0;
  const subjectOf = (partition: number): string => {
    invariant(partition >= 0 && partition < partitions, "A log has the partitions 0 … partitions - 1.");
    return logSubject(nats.name, partition);
  };

  return {
    partitions,
    async append(partition, body) {
      invariant(Buffer.byteLength(body) <= recordBytesMax, "A record has at most the bytes that the port says.");
      appends += 1;
      return appendOnce(nats, { subject: subjectOf(partition), body, name: `${opened}-${appends}` });
    },
    async *read(partition, after, signal) {
      const filter = subjectOf(partition);
      yield* readOn(nats, { stream: streamOf(partition), filter, after }, signal);
    },
    async end(partition) {
      const subject = subjectOf(partition);
      try {
        await nats.connected();
        // Asked of the stream's leader, which has everything that was ever acknowledged; its followers may be behind.
        const last = await nats.jsm.streams.getMessage(streamOf(partition), { last_by_subj: subject });
        return last?.seq ?? 0;
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}

export const logStreamName = (name: string, index: number): string => `${name}-log-${index}`;
const logSubject = (name: string, partition: number): string => `${name}.log.${partition}`;

function wantedStream(name: string, index: number, options: NatsLogOptions): WantedStream {
  const { partitions, streams, replicas, retention } = options;
  const own = Array.from({ length: partitions }, (_, partition) => partition).filter((one) => one % streams === index);
  return {
    name: logStreamName(name, index),
    subjects: own.map((partition) => logSubject(name, partition)),
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: replicas,
    // A full log refuses what is new; it never drops what somebody has not read yet.
    discard: DiscardPolicy.New,
    max_bytes: Math.floor((retention.bytesMax ?? logBytesDefault) / streams),
    max_age: nanos(retention.ageMs ?? logAgeMsDefault),
    max_msg_size: recordBytesMax + headerBytesMax,
    duplicate_window: nanos(Math.min(duplicateMs, retention.ageMs ?? logAgeMsDefault)),
  };
}

/** Goes on behind the last record after whatever ended a reading, unless that takes longer than a call may. */
async function* readOn(
  nats: Nats,
  from: { readonly stream: string; readonly filter: string; readonly after: number },
  signal: AbortSignal,
): AsyncGenerator<readonly LogRecord[]> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const { clock } = nats;
  let { after } = from;
  let troubleMs: number | undefined;
  while (!signal.aborted) {
    let reading: StreamReading | undefined;
    try {
      reading = await StreamReading.open(nats, { ...from, from: { after } });
      while (!signal.aborted) {
        const batch = await reading.next(signal);
        if (batch.length === 0) break;
        troubleMs = undefined;
        after = batch.at(-1)?.sequence ?? after;
        yield batch.map(({ sequence, payload }) => ({ position: sequence, body: decoder.decode(payload) }));
      }
    } catch (error) {
      if (signal.aborted) return;
      const nowMs = clock.monotonicMs();
      troubleMs ??= nowMs;
      if (nowMs - troubleMs >= callMsMax) throw unavailable(error);
      await clock.sleep(retryMs, signal);
    } finally {
      reading?.close();
    }
  }
}
