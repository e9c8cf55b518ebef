import { StorageType, type StreamConfig, type StreamInfo } from "@nats-io/jetstream";
import { isNameInUse, isNotFound, unavailable } from "./errors.ts";
import { retryMs } from "./limits.ts";
import type { Nats } from "./nats.ts";

/** A cluster that has just started has no place for a stream yet. */
const makingMsMax = 15_000;

export type WantedStream = Partial<StreamConfig> & { readonly name: string; readonly subjects: string[] };

/** The stream as it is, made if it was not there. Any number of processes may do so at the same time. */
export async function keepStream(nats: Nats, wanted: WantedStream): Promise<StreamInfo> {
  const { clock } = nats;
  const untilMs = clock.monotonicMs() + makingMsMax;
  for (;;) {
    try {
      await nats.connected();
      const info = await findOrMake(nats, wanted);
      if (info.state.last_seq >= firstSequence(yearOneMs + dayMs)) return info;
      await raise(nats, wanted, info);
    } catch (error) {
      if (nats.isClosed || clock.monotonicMs() > untilMs) throw unavailable(error);
      await clock.sleep(retryMs);
    }
  }
}

async function findOrMake({ jsm }: Nats, wanted: WantedStream): Promise<StreamInfo> {
  try {
    return await jsm.streams.info(wanted.name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  try {
    return await jsm.streams.add(wanted);
  } catch (error) {
    // Another process was first.
    if (isNameInUse(error)) return jsm.streams.info(wanted.name);
    throw error;
  }
}

const yearOneMs = Date.UTC(2020);
const dayMs = 24 * 3_600_000;

/**
 * Positions and epochs are sequences of streams, and what was stored under one must never meet a lower one: not even when a stream
 * was lost with all its replicas and is made again. So a stream begins at the microseconds since 2020: higher than the sequences of
 * an earlier one, unless that took more than a million messages a second over its whole life.
 *
 * A purge of an empty stream sets where it begins. (The setting for it, `first_seq`, makes servers of 2.10 forget all messages
 * when they start again.) The number follows from the time at which the stream was made, so that all who do this at the same
 * time purge up to the same one, and nothing that was stored since. Only a stream in memory comes back empty under
 * its old time; it begins at the time of now, and those who follow it begin anew (see `Bucket.keep`).
 */
async function raise({ jsm, clock }: Nats, wanted: WantedStream, { created }: StreamInfo): Promise<void> {
  const beginMs = wanted.storage === StorageType.Memory ? clock.nowMs() : Date.parse(created);
  await jsm.streams.purge(wanted.name, { seq: firstSequence(beginMs) });
}

const firstSequence = (atMs: number): number => Math.floor(atMs - yearOneMs) * 1000;

/** Notes where a stream is not as its settings are now. It is left so: an operator may have changed it with good reason. */
export function noteDrift(nats: Nats, wanted: WantedStream, { config }: StreamInfo): void {
  const watched = ["num_replicas", "max_bytes", "max_age", "storage", "discard", "retention", "max_msg_size"] as const;
  const differing = watched.filter((key) => wanted[key] !== undefined && wanted[key] !== config[key]);
  if (differing.length === 0) return;
  const values = Object.fromEntries(differing.map((key) => [key, { wanted: wanted[key], is: config[key] }]));
  nats.log.warn({ stream: wanted.name, values }, "A stream of NATS is not as the settings say, and is left as it is.");
}
