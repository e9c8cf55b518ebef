import { TidingsError } from "@tidings/protocol";
import { type Bucket, birthKey, lifeOf } from "./bucket.ts";
import { callMsMax, markKeptMs, retryMs } from "./limits.ts";
import type { Nats } from "./nats.ts";
import { StreamReading } from "./stream-reading.ts";

export type MirrorOptions = {
  readonly nats: Nats;
  readonly bucket: Bucket;
  /** A write of a key: in the order of the bucket, but for own writes, which come as soon as they are answered. */
  apply(key: string, sequence: number, payload: Uint8Array): void;
  /** The mirror begins anew: what has not been written now, and is not newer than `sequence`, is not there any more. */
  retain(keys: ReadonlySet<string>, sequence: number): void;
  /** It has everything that was there; `apply` is called for what comes. */
  caughtUp?(): void;
};

/**
 * A bucket as this process knows it: everything that was there, and then what comes, in order. After a loss it goes on where
 * it was, because a bucket keeps the last write of each key. It begins anew where the bucket is another one than before (its
 * servers keep it in memory, and all of them were started again), or where it was away so long that marks of
 * removals may be gone.
 */
export class BucketMirror {
  readonly #options: MirrorOptions;
  readonly #stop = new AbortController();
  /** Own writes that the bucket has not brought yet: what it brings of these keys before them is older. */
  readonly #ahead = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  readonly #running: Promise<void>;
  #lastSequence = 0;
  #life: string | undefined;
  #isWhole = false;
  #isCaughtUp = false;
  #caughtUpMs = -Infinity;
  #lostMs = -Infinity;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#running = this.#follow();
  }

  /** Nothing is known to be missing. A connection that is dead but not noticed yet looks like silence. */
  get isFollowing(): boolean {
    return this.#isCaughtUp && this.#options.nats.isConnected;
  }

  /** When it caught up last, in monotonic time: nothing that is silent was silent here for longer. */
  get caughtUpMs(): number {
    return this.#caughtUpMs;
  }

  /** Resolves when it follows; `unavailable` where that takes longer than a call may. */
  following(): Promise<void> {
    return this.#until(() => this.isFollowing);
  }

  /** Resolves when everything up to a sequence is here. */
  reached(sequence: number): Promise<void> {
    return this.#until(() => this.isFollowing && this.#lastSequence >= sequence);
  }

  /** An own write that was answered is seen at once. */
  wrote(key: string, sequence: number, value: string | undefined): void {
    if (sequence > this.#lastSequence) this.#ahead.set(key, sequence);
    this.#options.apply(key, sequence, Buffer.from(value ?? ""));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #follow(): Promise<void> {
    const { clock, log } = this.#options.nats;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#read();
      } catch (error) {
        if (this.#isCaughtUp) log.info({ err: error, stream: this.#options.bucket.stream }, "A mirror goes on anew.");
      }
      if (this.#isCaughtUp) this.#lostMs = clock.monotonicMs();
      this.#isCaughtUp = false;
      await clock.sleep(retryMs, signal);
    }
  }

  async #read(): Promise<void> {
    const { nats, bucket } = this.#options;
    const { signal } = this.#stop;
    const { life, lastSequence } = await bucket.keep();
    if (this.#life !== undefined && life !== this.#life) {
      this.#ahead.clear();
      this.#lastSequence = 0;
      this.#options.retain(new Set(), Infinity);
    }
    const isAnew = life !== this.#life || !this.#isWhole || nats.clock.monotonicMs() - this.#lostMs > markKeptMs / 2;
    this.#life = life;
    this.#isWhole = !isAnew;
    const reading = await StreamReading.open(nats, {
      stream: bucket.stream,
      filter: `${bucket.prefix}>`,
      from: isAnew ? "last-of-each" : { after: this.#lastSequence },
    });
    const seen = isAnew ? new Set<string>() : undefined;
    const catchUp = (): void => {
      if (seen !== undefined) this.#options.retain(seen, lastSequence);
      this.#isWhole = true;
      this.#isCaughtUp = true;
      this.#caughtUpMs = nats.clock.monotonicMs();
      this.#options.caughtUp?.();
      this.#wake();
    };
    try {
      if (reading.pendingAtBegin === 0) catchUp();
      while (!signal.aborted) {
        const batch = await reading.next(signal);
        for (const { subject, sequence, payload } of batch) {
          const key = subject.slice(bucket.prefix.length);
          seen?.add(key);
          // Two processes made the bucket at the same time, and the second one took away what the first one wrote.
          if (key === birthKey && lifeOf(payload) !== life) throw new Error("The bucket was made anew.");
          this.#take(key, sequence, payload);
        }
        if (!this.#isCaughtUp && batch.at(-1)?.pending === 0) catchUp();
        this.#wake();
      }
    } finally {
      reading.close();
    }
  }

  #take(key: string, sequence: number, payload: Uint8Array): void {
    this.#lastSequence = Math.max(this.#lastSequence, sequence);
    const ahead = this.#ahead.get(key);
    if (ahead !== undefined) {
      if (sequence >= ahead) this.#ahead.delete(key);
      if (sequence <= ahead) return;
    }
    this.#options.apply(key, sequence, payload);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #until(isSo: () => boolean): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (isSo()) end(resolve);
      };
      const end = (settle: () => void): void => {
        this.#waiting.delete(check);
        cancel();
        settle();
      };
      const cancel = this.#options.nats.clock.after(callMsMax, () =>
        end(() => reject(new TidingsError("unavailable"))),
      );
      this.#waiting.add(check);
    });
  }
}
