import { DiscardPolicy, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import { TidingsError } from "@tidings/protocol";
import { isConflict, isNotFound, unavailable } from "./errors.ts";
import { keepStream, noteDrift, type WantedStream } from "./keep-stream.ts";
import type { Nats } from "./nats.ts";

export type Bucket = {
  readonly stream: string;
  /** What the subjects of all keys begin with. */
  readonly prefix: string;
  /**
   * Makes the bucket if it is not there (any more). `life` is another one when everything in it was lost, which happens to a bucket
   * in memory when all servers were started again; `lastSequence` is that of its last write.
   */
  keep(): Promise<{ readonly life: string; readonly lastSequence: number }>;
  /**
   * Writes a key, or a mark that it has no value any more; answers with the sequence of the write. With `expected` only if
   * the key's last write is that one (0: it has none); `conflict` otherwise.
   */
  write(key: string, value: string | undefined, expected: number): Promise<number | "conflict">;
  put(key: string, value: string | undefined): Promise<number>;
  /** The key's last write, as the leader has it. */
  read(key: string): Promise<{ readonly sequence: number; readonly payload: Uint8Array } | undefined>;
  /** Removes one write for good. Whoever follows the bucket is not told, so it must be one that says nothing any more. */
  erase(sequence: number): Promise<void>;
  /** Removes all writes of keys that begin so, up to a sequence. */
  purge(keys: string, beforeSequence: number): Promise<void>;
};

export type BucketOptions = {
  readonly bucket: string;
  readonly storage: StorageType;
  readonly replicas: number;
  readonly bytesMax: number;
};

/** The key that says since when a bucket in memory has what it has. */
export const birthKey = "birth";
export const lifeOf = (payload: Uint8Array): string => new TextDecoder().decode(payload);

/** A key-value bucket, laid out as NATS's own tools know it, with the last write of each key. */
export async function openBucket(nats: Nats, options: BucketOptions): Promise<Bucket> {
  const { js, jsm } = nats;
  const stream = `KV_${options.bucket}`;
  const prefix = `$KV.${options.bucket}.`;
  const wanted: WantedStream = {
    name: stream,
    subjects: [`${prefix}>`],
    retention: RetentionPolicy.Limits,
    storage: options.storage,
    num_replicas: options.replicas,
    max_msgs_per_subject: 1,
    max_bytes: options.bytesMax,
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    allow_direct: true,
  };
  noteDrift(nats, wanted, await keepStream(nats, wanted));

  const publish = async (key: string, value: string | undefined, expected?: number): Promise<number> => {
    await nats.connected();
    const mark = headers();
    if (value === undefined) mark.set("KV-Operation", "DEL");
    const { seq } = await js.publish(`${prefix}${key}`, value ?? "", {
      headers: mark,
      ...(expected !== undefined && { expect: { lastSubjectSequence: expected } }),
    });
    return seq;
  };

  const write: Bucket["write"] = async (key, value, expected) => {
    try {
      return await publish(key, value, expected);
    } catch (error) {
      if (isConflict(error)) return "conflict";
      throw unavailable(error);
    }
  };
  const read: Bucket["read"] = async (key) => {
    await nats.connected();
    const stored = await answered(jsm.streams.getMessage(stream, { last_by_subj: `${prefix}${key}` }));
    return stored === null ? undefined : { sequence: stored.seq, payload: stored.data };
  };

  return {
    stream,
    prefix,
    async keep() {
      const { created, state } = await keepStream(nats, wanted);
      if (options.storage === StorageType.File) return { life: created, lastSequence: state.last_seq };
      // Whoever finds no birth writes one; of many who do, one is first.
      const birth = (await read(birthKey)) ?? (await write(birthKey, nats.random.unguessable(16), 0));
      if (typeof birth === "object") return { life: lifeOf(birth.payload), lastSequence: state.last_seq };
      const written = await read(birthKey);
      if (written === undefined) throw new TidingsError("unavailable");
      return { life: lifeOf(written.payload), lastSequence: state.last_seq };
    },
    write,
    put: (key, value) => answered(publish(key, value)),
    read,
    async erase(sequence) {
      try {
        await nats.connected();
        await jsm.streams.deleteMessage(stream, sequence, false);
      } catch (error) {
        if (!isNotFound(error)) throw unavailable(error);
      }
    },
    async purge(keys, beforeSequence) {
      await nats.connected();
      await answered(jsm.streams.purge(stream, { filter: `${prefix}${keys}`, seq: beforeSequence }));
    },
  };
}

async function answered<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    throw unavailable(error);
  }
}
