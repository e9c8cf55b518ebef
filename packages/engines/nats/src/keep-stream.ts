import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { isNameInUse, isNotFound, unavailable } from "./errors.ts";
import { retryMs } from "./limits.ts";
import type { Nats } from "./nats.ts";

/** A cluster that has just started has no place for a stream yet. */
const makingMsMax = 15_000;

export type WantedStream = Partial<StreamConfig> & { readonly name: string; readonly subjects: string[] };

/** The stream as it is, made if it was not there. Any number of processes may do so at the same time. */
export async function keepStream(nats: Nats, wanted: WantedStream): Promise<StreamInfo> {
  const { clock, jsm } = nats;
  const untilMs = clock.monotonicMs() + makingMsMax;
  for (;;) {
    try {
      await nats.connected();
      return await jsm.streams.info(wanted.name);
    } catch (error) {
      if (!isNotFound(error) && clock.monotonicMs() > untilMs) throw unavailable(error);
      if (isNotFound(error)) {
        try {
          return await jsm.streams.add({ ...wanted, first_seq: firstSequence(clock.nowMs()) });
        } catch (failure) {
          if (!isNameInUse(failure) && clock.monotonicMs() > untilMs) throw unavailable(failure);
        }
      }
    }
    await clock.sleep(retryMs);
  }
}

const yearOneMs = Date.UTC(2020);

/**
 * Positions and epochs are sequences of streams, and what was stored under one must never meet a lower one: not even when a stream
 * was lost with all its replicas and is made again. So a stream begins at the microseconds since 2020: higher than the sequences of
 * an earlier one, unless that took more than a million messages a second over its whole life.
 */
const firstSequence = (nowMs: number): number => Math.floor(nowMs - yearOneMs) * 1000;

/** Notes where a stream is not as its settings are now. It is left so: an operator may have changed it with good reason. */
export function noteDrift(nats: Nats, wanted: WantedStream, { config }: StreamInfo): void {
  const watched = ["num_replicas", "max_bytes", "max_age", "storage", "discard", "retention", "max_msg_size"] as const;
  const differing = watched.filter((key) => wanted[key] !== undefined && wanted[key] !== config[key]);
  if (differing.length === 0) return;
  const values = Object.fromEntries(differing.map((key) => [key, { wanted: wanted[key], is: config[key] }]));
  nats.log.warn({ stream: wanted.name, values }, "A stream of NATS is not as the settings say, and is left as it is.");
}
