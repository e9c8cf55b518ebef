import { type Clock, type Lease, type Leases, preferPartitions } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { Logger } from "pino";

/** Whoever works on a partition that is held. */
export type Holding = {
  /** Resolves when the work has ended: with `stale` because somebody else has the partition. */
  run(): Promise<"drained" | "stale">;
  /** Finishes what is under way. */
  drain(): Promise<void>;
  /** Begins nothing more. */
  stop(): void;
};

export type PartitionLeasesOptions = {
  readonly leases: Leases;
  readonly partitions: number;
  /** This worker's name, new on every start. */
  readonly worker: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  hold(partition: number, epoch: number): Holding;
};

/**
 * Which partitions this worker holds. Each worker has a lease that says it is there; from the workers that are there everybody
 * works out alike who should hold which partition. Thrice in a lease's time a worker renews what it has, hands over what
 * another one should hold, and takes what it should hold and nobody does. So after a death everything is held again within
 * a lease and a third, and a worker that comes moves its own share only.
 */
export class PartitionLeases {
  readonly #options: PartitionLeasesOptions;
  readonly #held = new Map<number, Held>();
  readonly #ending = new AbortController();
  #presence: Lease | undefined;
  #ended: Promise<void> | undefined;

  constructor(options: PartitionLeasesOptions) {
    this.#options = options;
  }

  /** The partitions that are worked on here. */
  get partitions(): readonly number[] {
    return [...this.#held.keys()];
  }

  run(): Promise<void> {
    this.#ended ??= this.#follow();
    return this.#ended;
  }

  /** Finishes the batches under way and gives everything back, so that others take over at once. */
  async drain(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
    // First, so that nobody leaves the partitions to this worker.
    await this.#release(presenceName(this.#options.worker), this.#presence);
    await Promise.all([...this.#held.values()].map((held) => this.#handOver(held)));
  }

  /** Works on nothing any more; the leases run out. */
  async stop(): Promise<void> {
    this.#ending.abort();
    for (const { holding } of this.#held.values()) holding.stop();
    await this.#ended;
  }

  async #follow(): Promise<void> {
    const { clock, leaseMs, log } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        log.warn({ err: error }, "Leases could not be renewed; it is tried again.");
        this.#letGoOfOld();
      }
      await clock.sleep(leaseMs / roundsInLease, signal);
    }
  }

  async #round(): Promise<void> {
    const { leases, partitions, worker } = this.#options;
    await Promise.all([this.#renewPresence(), ...[...this.#held.values()].map((held) => this.#renew(held))]);
    const [workers, taken] = await this.#inTime(
      Promise.all([leases.holders(presencePrefix), leases.holders(partitionPrefix)]),
    );
    if (this.#ending.signal.aborted) return;
    const preferred = preferPartitions([...new Set([...workers.values(), worker])].sort(), partitions);
    const wanted: number[] = [];
    for (const [partition, holder] of preferred) {
      const held = this.#held.get(partition);
      const owner = taken.get(partitionName(partition));
      // Our own without our knowing: the answer to the taking was lost.
      const free = owner === undefined || owner === worker;
      if (holder === worker && held === undefined && free) wanted.push(partition);
      // In its own time: a batch that takes long must not keep the other leases from being renewed.
      if (holder !== worker && held !== undefined) void this.#handOver(held);
    }
    await Promise.all(wanted.map((partition) => this.#take(partition)));
  }

  async #renewPresence(): Promise<void> {
    const { leases, worker, leaseMs } = this.#options;
    const name = presenceName(worker);
    if (this.#presence !== undefined && (await this.#inTime(leases.renew(name, this.#presence, leaseMs)))) return;
    this.#presence = await this.#inTime(leases.acquire(name, worker, leaseMs));
  }

  async #renew(held: Held): Promise<void> {
    const { leases, leaseMs, clock } = this.#options;
    const beganMs = clock.monotonicMs();
    const renewed = await this.#inTime(leases.renew(partitionName(held.partition), held.lease, leaseMs));
    if (renewed) held.untilMs = beganMs + leaseMs;
    else held.holding.stop();
  }

  async #take(partition: number): Promise<void> {
    const { leases, worker, leaseMs, clock, hold } = this.#options;
    const beganMs = clock.monotonicMs();
    // One whose answer comes too late is found as our own in the next round.
    const lease = await this.#inTime(leases.acquire(partitionName(partition), worker, leaseMs));
    if (lease === undefined) return;
    if (this.#ending.signal.aborted) {
      await this.#release(partitionName(partition), lease);
      return;
    }
    const holding = hold(partition, lease.epoch);
    const held: Held = { partition, lease, holding, untilMs: beganMs + leaseMs, handingOver: undefined };
    this.#held.set(partition, held);
    // Only when the work on it has ended it may be taken anew: two that work on one partition here would mix what is remembered of it.
    void holding.run().finally(() => this.#held.delete(partition));
  }

  #handOver(held: Held): Promise<void> {
    held.handingOver ??= (async () => {
      await held.holding.drain();
      await this.#release(partitionName(held.partition), held.lease);
    })();
    return held.handingOver;
  }

  async #release(name: string, lease: Lease | undefined): Promise<void> {
    if (lease === undefined) return;
    await this.#options.leases.release(name, lease).catch((error: unknown) => {
      this.#options.log.info({ err: error, name }, "A lease could not be given back; it runs out.");
    });
  }

  /**
   * A round waits for an answer as long as a round may take. A driver is more patient: while it waits for the answer about one
   * lease, all the others would run out.
   */
  #inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
    const { clock, leaseMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const cancel = clock.after(leaseMs / roundsInLease, () => {
      reject(new TidingsError("unavailable", { detail: "The leases do not answer." }));
    });
    answer.then(resolve, reject).finally(cancel);
    return promise;
  }

  /** The leases do not answer: what must have run out is worked on no more. The store would refuse it anyway. */
  #letGoOfOld(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const { holding, untilMs } of this.#held.values()) if (untilMs < nowMs) holding.stop();
  }
}

type Held = {
  readonly partition: number;
  readonly lease: Lease;
  readonly holding: Holding;
  untilMs: number;
  handingOver: Promise<void> | undefined;
};

const presencePrefix = "worker/";
const presenceName = (worker: string): string => `${presencePrefix}${worker}`;
const partitionPrefix = "partition/";
const partitionName = (partition: number): string => `${partitionPrefix}${partition}`;
/** Two renewals may fail before a lease runs out. */
const roundsInLease = 3;
