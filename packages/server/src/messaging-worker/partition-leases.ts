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
  /** Can it work on anything? If not, others do while there are some. */
  isFit(): boolean;
  hold(partition: number, epoch: number): Holding;
};

/**
 * Which partitions this worker holds. Each worker has a lease that says it is there, and under it a lease of every partition that
 * it holds: so one renewal keeps all of them. From the workers that are there everybody works out alike who should hold which
 * partition. Thrice in a lease's time a worker renews its presence, hands over what another one should hold, and takes what it
 * should hold and nobody does; and also at the moment when another one's presence has ended. So what a dead worker held is
 * taken when its lease has ended, not a round later, and a worker that comes moves its own share only.
 */
export class PartitionLeases {
  readonly #options: PartitionLeasesOptions;
  readonly #held = new Map<number, Held>();
  readonly #ending = new AbortController();
  #presence: Presence | undefined;
  /** Says, under the presence, that the others should count without this worker. */
  #absence: Lease | undefined;
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
    const { leases, worker } = this.#options;
    this.#ending.abort();
    await this.#ended;
    const presence = this.#presence;
    if (presence === undefined) return;
    // First, so that nobody leaves the partitions to this worker. Where it fails they are free when the presence has ended.
    await leases.acquireUnder(leavingName(worker), presence).catch(() => undefined);
    await Promise.all([...this.#held.values()].map((held) => this.#handOver(held)));
    await this.#release(presence.name, presence.lease);
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
      // Counted from the beginning: one answer that does not come costs one renewal, not the rest as well.
      let nextMs = clock.monotonicMs() + leaseMs / roundsInLease;
      try {
        nextMs = Math.min(nextMs, await this.#round());
      } catch (error) {
        log.warn({ err: error }, "Leases could not be renewed; it is tried again.");
        this.#letGoOfOld();
      }
      await clock.sleep(Math.max(0, nextMs - clock.monotonicMs()), signal);
    }
  }

  /** Answers with the time at which the first presence ends that is not renewed by then. */
  async #round(): Promise<number> {
    const { leases, partitions, worker, clock } = this.#options;
    const presence = await this.#renewPresence();
    if (presence !== undefined) await this.#tellFitness(presence);
    // Asked before, so that one that ends between the two questions is not waited for a whole round.
    const firstEndMs = clock.monotonicMs() + ((await this.#inTime(leases.firstEndMs(presencePrefix))) ?? Infinity);
    const [present, taken] = this.#sort(await this.#inTime(leases.holders(workersPrefix)));
    if (this.#ending.signal.aborted || presence === undefined) return firstEndMs;
    // Where all are unfit each counts on itself: it keeps what it holds, so that what comes back finds everybody at his place.
    if (this.#absence === undefined || present.size === 0) present.add(worker);
    const preferred = preferPartitions([...present].sort(), partitions);
    const wanted: number[] = [];
    const unwanted: number[] = [];
    for (const [partition, holder] of preferred) {
      const held = this.#held.get(partition);
      const owner = taken.get(partitionName(partition));
      // Its presence ended meanwhile, and another one came first.
      if (owner !== undefined && owner !== worker) held?.holding.stop();
      // Our own without our knowing: the answer to the taking was lost.
      const free = owner === undefined || owner === worker;
      if (holder === worker && held === undefined && free) wanted.push(partition);
      if (holder !== worker && held === undefined && owner === worker) unwanted.push(partition);
      // In its own time: a batch that takes long must not keep the presence from being renewed.
      if (holder !== worker && held !== undefined) void this.#handOver(held);
    }
    await Promise.all([
      ...wanted.map((partition) => this.#take(partition, presence)),
      ...unwanted.map((partition) => this.#giveBack(partitionName(partition), presence)),
      // Said without our knowing: the others would count without this worker for as long as it is there.
      ...(this.#absence === undefined && taken.has(leavingName(worker))
        ? [this.#giveBack(leavingName(worker), presence)]
        : []),
    ]);
    return firstEndMs;
  }

  /** Who is there and stays, and who holds what. */
  #sort(holders: ReadonlyMap<string, string>): [Set<string>, ReadonlyMap<string, string>] {
    const present = new Set<string>();
    for (const [name, holder] of holders) if (name.startsWith(presencePrefix)) present.add(holder);
    for (const [name, holder] of holders) if (name.startsWith(leavingPrefix)) present.delete(holder);
    return [present, holders];
  }

  /** With a presence that ended everything ended that was held under it. */
  async #renewPresence(): Promise<Presence | undefined> {
    const { leases, worker, leaseMs, clock } = this.#options;
    const name = presenceName(worker);
    const beganMs = clock.monotonicMs();
    const untilMs = beganMs + leaseMs;
    if (this.#presence !== undefined) {
      if (await this.#inTime(leases.renew(name, this.#presence.lease, leaseMs))) this.#presence.untilMs = untilMs;
      else this.#letGoOfAll();
    }
    if (this.#presence === undefined) {
      const lease = await this.#inTime(leases.acquire(name, worker, leaseMs));
      if (lease !== undefined) this.#presence = { name, lease, untilMs };
    }
    return this.#presence;
  }

  async #tellFitness(presence: Presence): Promise<void> {
    const { leases, worker, isFit, log } = this.#options;
    const name = leavingName(worker);
    if (!isFit() && this.#absence === undefined) {
      log.warn("The log or the database cannot be reached from here: the partitions are left to others.");
      this.#absence = await this.#inTime(leases.acquireUnder(name, presence));
    } else if (isFit() && this.#absence !== undefined) {
      await this.#inTime(leases.release(name, this.#absence));
      this.#absence = undefined;
    }
  }

  async #take(partition: number, presence: Presence): Promise<void> {
    const { leases, hold } = this.#options;
    // One whose answer comes too late is found as our own in the next round.
    const lease = await this.#inTime(leases.acquireUnder(partitionName(partition), presence));
    if (lease === undefined) return;
    if (this.#ending.signal.aborted) {
      await this.#release(partitionName(partition), lease);
      return;
    }
    // An answer that came late: the next round asked again meanwhile, and it is worked on already.
    if (presence !== this.#presence || this.#held.has(partition)) return;
    const holding = hold(partition, lease.epoch);
    const held: Held = { partition, lease, holding, handingOver: undefined };
    this.#held.set(partition, held);
    // Only when the work on it has ended it may be taken anew: two that work on one partition here would mix what is remembered of it.
    void holding.run().finally(() => this.#held.delete(partition));
  }

  /** What is held without being worked on, because an answer was lost: it would not end before the presence does. */
  async #giveBack(name: string, presence: Presence): Promise<void> {
    const lease = await this.#inTime(this.#options.leases.acquireUnder(name, presence));
    await this.#inTime(this.#release(name, lease));
  }

  #handOver(held: Held): Promise<void> {
    held.handingOver ??= (async () => {
      await this.#drained(held.holding);
      await this.#release(partitionName(held.partition), held.lease);
    })();
    return held.handingOver;
  }

  /**
   * What is under way at an unfit worker may take as long as a driver waits for a database that does not answer: others wait for it no
   * longer than for a dead one. The store refuses by its epoch whatever comes of it later.
   */
  #drained(holding: Holding): Promise<void> {
    const { isFit, leaseMs } = this.#options;
    const drained = holding.drain();
    return isFit() ? drained : this.#inTime(drained, leaseMs).catch(() => undefined);
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
  #inTime<Answer>(answer: Promise<Answer>, withinMs = this.#options.leaseMs / roundsInLease): Promise<Answer> {
    const { clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const cancel = clock.after(withinMs, () => {
      reject(new TidingsError("unavailable", { detail: "There is no answer in time." }));
    });
    answer.then(resolve, reject).finally(cancel);
    return promise;
  }

  /** The leases do not answer: what must have run out is worked on no more. The store would refuse it anyway. */
  #letGoOfOld(): void {
    const { untilMs } = this.#presence ?? {};
    if (untilMs !== undefined && untilMs < this.#options.clock.monotonicMs()) this.#letGoOfAll();
  }

  #letGoOfAll(): void {
    this.#presence = undefined;
    this.#absence = undefined;
    for (const { holding } of this.#held.values()) holding.stop();
  }
}

type Presence = { readonly name: string; readonly lease: Lease; untilMs: number };

type Held = {
  readonly partition: number;
  readonly lease: Lease;
  readonly holding: Holding;
  handingOver: Promise<void> | undefined;
};

/** Of all names, so that one look finds them. */
const workersPrefix = "workers/";
const presencePrefix = `${workersPrefix}present/`;
const presenceName = (worker: string): string => `${presencePrefix}${worker}`;
const leavingPrefix = `${workersPrefix}leaving/`;
const leavingName = (worker: string): string => `${leavingPrefix}${worker}`;
const partitionPrefix = `${workersPrefix}partition/`;
export const partitionName = (partition: number): string => `${partitionPrefix}${partition}`;
/** Two renewals may fail before a lease runs out. */
const roundsInLease = 3;
