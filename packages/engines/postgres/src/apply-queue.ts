import { type AppendOutcome, type Clock, type LogBatch, RecentLoad } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { BatchStorage } from "./batch-storage.ts";

/** Transactions under way: while one waits for the disk, the next one is made. */
const transactionsMax = 2;
/** Requests of one transaction, and the characters of their entries; a batch alone may be larger. */
const requestsMax = 1_000;
const charactersMax = 4 * 1024 * 1024;
/** So much is worth a transaction of its own, whenever the last one began. */
const requestsWorth = 500;
/** Requests in a tenth of a second: up to 100 a second nothing waits, from 500 on as long as a tick of a machine that receives. */
const loadLimits = { quiet: 10, busy: 50, restMsMax: 50 };

/**
 * Group commit for batches of different partitions of the log. Where little is applied, a batch goes at once; the more it is, the longer
 * transactions are apart, and what arrives meanwhile goes together with the next one: it costs the database little more than one batch
 * alone, and what is stored together is pushed together. A partition's holder waits for each of his batches, so there are
 * never more than partitions.
 *
 * What the database refuses of several partitions it is asked again for each of them, so that nobody pays for another one's.
 */
export class ApplyQueue {
  readonly #storage: BatchStorage;
  readonly #clock: Clock;
  readonly #load = new RecentLoad(loadLimits);
  #waiting: Waiting[] = [];
  #waitingRequests = 0;
  #underWay = 0;
  #notBeforeMs = 0;
  #isPlanned = false;

  constructor(storage: BatchStorage, clock: Clock) {
    this.#storage = storage;
    this.#clock = clock;
  }

  /** Batches that wait for their transaction. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Rejects with what the database says, TD001 and TD002 of the partition among it, and with `unavailable`. */
  apply(batch: LogBatch): Promise<readonly AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject });
      this.#waitingRequests += batch.requests.length;
      this.#plan();
    });
  }

  /** The next transaction begins when its time has come, or at once if much waits; what is called in the same turn goes together. */
  #plan(): void {
    if (this.#waiting.length === 0 || this.#underWay >= transactionsMax) return;
    const restMs = this.#notBeforeMs - this.#clock.monotonicMs();
    if (restMs <= 0 || this.#waitingRequests >= requestsWorth) {
      queueMicrotask(() => this.#begin());
    } else if (!this.#isPlanned) {
      this.#isPlanned = true;
      this.#clock.after(restMs, () => {
        this.#isPlanned = false;
        this.#begin();
      });
    }
  }

  #begin(): void {
    if (this.#waiting.length === 0 || this.#underWay >= transactionsMax) return;
    const group = this.#take();
    const nowMs = this.#clock.monotonicMs();
    this.#load.note(
      group.reduce((sum, { batch }) => sum + batch.requests.length, 0),
      nowMs,
    );
    this.#notBeforeMs = nowMs + this.#load.restMs;
    this.#underWay += 1;
    void this.#storeTogether(group).finally(() => {
      this.#underWay -= 1;
      this.#plan();
    });
    this.#plan();
  }

  async #storeTogether(group: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#storage.store(
        group.flatMap(({ batch }) => batch.requests),
        group.map(({ batch }) => batch),
      );
      let from = 0;
      for (const { batch, resolve } of group) {
        resolve(outcomes.slice(from, from + batch.requests.length));
        from += batch.requests.length;
      }
    } catch (error) {
      const isAboutOneOfThem = group.length > 1 && !(error instanceof TidingsError);
      if (isAboutOneOfThem) await Promise.all(group.map((one) => this.#storeTogether([one])));
      else for (const { reject } of group) reject(error);
    }
  }

  #take(): Waiting[] {
    const partitions = new Set<number>();
    const [taken, left]: [Waiting[], Waiting[]] = [[], []];
    let [requests, characters] = [0, 0];
    for (const waiting of this.#waiting) {
      const { partition, requests: own } = waiting.batch;
      const ownCharacters = charactersOf(waiting.batch);
      const hasRoom = requests + own.length <= requestsMax && characters + ownCharacters <= charactersMax;
      if (taken.length > 0 && (!hasRoom || partitions.has(partition))) {
        left.push(waiting);
        continue;
      }
      taken.push(waiting);
      partitions.add(partition);
      requests += own.length;
      characters += ownCharacters;
    }
    this.#waiting = left;
    this.#waitingRequests -= requests;
    return taken;
  }
}

type Waiting = {
  readonly batch: LogBatch;
  resolve(outcomes: readonly AppendOutcome[]): void;
  reject(error: unknown): void;
};

function charactersOf({ requests }: LogBatch): number {
  let characters = 0;
  for (const { drafts } of requests) for (const { json } of drafts) characters += json.length;
  return characters;
}
