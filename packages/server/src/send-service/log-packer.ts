import { TidingsError } from "@tidings/protocol";
import {
  encodeLoggedRequest,
  invariant,
  joinLogRecord,
  type LoggedRequest,
  type MessageLog,
  recordBytesMax,
} from "@tidings/core";

/**
 * Packs requests for one partition of the Message Log into records. It clocks itself (design, 4.1): one append is in flight, and
 * whatever arrives meanwhile joins the next record.
 *
 * If a record fails, what waits behind it fails with it: a sender's later message would otherwise overtake his earlier
 * one, which comes again (G4).
 */
export class LogPacker {
  readonly #log: MessageLog;
  readonly #partition: number;
  #waiting: Packed[] = [];
  #waitingBytes = 0;
  #inFlight: Promise<void> | undefined;

  constructor(log: MessageLog, partition: number) {
    this.#log = log;
    this.#partition = partition;
  }

  /** Requests that wait for their record. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves with the position of the request's record when it is durable. Rejects with `busy`, `unavailable`. `departs` is called when
   * the record goes out, for all its requests in one turn.
   */
  append(request: LoggedRequest, departs?: () => void): Promise<number> {
    const text = encodeLoggedRequest(request);
    const bytes = Buffer.byteLength(text) + separatorBytes;
    invariant(bytes + envelopeBytes <= recordBytesMax, "One request fits into a record.");
    if (this.#waiting.length >= waitingRequestsMax || this.#waitingBytes + bytes > waitingBytesMax) {
      const detail = "More messages wait for the Message Log than it holds.";
      return Promise.reject(new TidingsError("busy", { detail, retryAfterMs: busyRetryMs }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.push({ text, bytes, departs, resolve, reject });
    this.#waitingBytes += bytes;
    this.#inFlight ??= this.#appendAll();
    return promise;
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async drain(): Promise<void> {
    while (this.#inFlight !== undefined) await this.#inFlight;
  }

  async #appendAll(): Promise<void> {
    // What else comes in this turn joins the first record.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const packed = this.#takeRecord();
      for (const { departs } of packed) departs?.();
      try {
        const position = await this.#log.append(this.#partition, joinLogRecord(packed.map(({ text }) => text)));
        for (const { resolve } of packed) resolve(position);
      } catch (error) {
        const behind = this.#waiting;
        this.#waiting = [];
        this.#waitingBytes = 0;
        for (const { reject } of [...packed, ...behind]) reject(error);
      }
    }
    this.#inFlight = undefined;
  }

  #takeRecord(): Packed[] {
    let bytes = envelopeBytes;
    let count = 0;
    for (const packed of this.#waiting) {
      if (count === recordRequestsMax || bytes + packed.bytes > recordBytesMax) break;
      bytes += packed.bytes;
      count += 1;
    }
    this.#waitingBytes -= bytes - envelopeBytes;
    return this.#waiting.splice(0, count);
  }
}

type Packed = {
  /** Encoded. */
  readonly text: string;
  readonly bytes: number;
  readonly departs: (() => void) | undefined;
  resolve(position: number): void;
  reject(error: unknown): void;
};

/** More than `{"v":1,"requests":[]}` takes. */
const envelopeBytes = 64;
const separatorBytes = 1;
/** A worker applies a record in one transaction. */
const recordRequestsMax = 1_000;
/** Of one partition, in one process: some seconds of what a log takes. */
const waitingRequestsMax = 10_000;
const waitingBytesMax = 16 * 1024 * 1024;
const busyRetryMs = 500;
