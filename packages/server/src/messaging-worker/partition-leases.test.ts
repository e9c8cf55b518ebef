import { createManualClock, type Leases, type ManualClock } from "@tidings/core";
import { createMemoryLeases } from "@tidings/engine-memory";
import { TidingsError } from "@tidings/protocol";
import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { PartitionLeases } from "./partition-leases.ts";

const leaseMs = 3_000;
const roundMs = leaseMs / 3;

let clock: ManualClock;
let leases: Leases;
/** partition → the epochs with which it is worked on now. */
let working: Map<number, Set<number>>;
let begun: number;
let isFit: boolean;
/** What is under way ends when the worker is told to end it; not where a database does not answer. */
let isStuck: boolean;

beforeEach(() => {
  clock = createManualClock();
  leases = createMemoryLeases(clock);
  working = new Map();
  begun = 0;
  isFit = true;
  isStuck = false;
});

/** A worker of two partitions; where it is alone it should hold both. */
function openWorker(some: Partial<Leases>): PartitionLeases {
  return new PartitionLeases({
    leases: { ...leases, ...some },
    partitions: 2,
    worker: "w_1",
    leaseMs,
    clock,
    log: pino({ level: "silent" }),
    isFit: () => isFit,
    hold(partition, epoch) {
      const { promise, resolve } = Promise.withResolvers<"drained" | "stale">();
      const epochs = working.get(partition) ?? new Set();
      working.set(partition, epochs.add(epoch));
      begun += 1;
      const end = (): void => {
        epochs.delete(epoch);
        resolve("drained");
      };
      return {
        run: () => promise,
        drain: () => {
          if (!isStuck) end();
          return promise.then(() => undefined);
        },
        stop: end,
      };
    },
  });
}

const held = async (): Promise<string[]> => [...(await leases.holders("workers/partition/")).values()];

describe("a worker's partitions", () => {
  it("are worked on once each, also where the answer to a taking comes when the next round has asked again", async () => {
    const late: (() => void)[] = [];
    let isFirst = true;
    const worker = openWorker({
      // The first look takes long, so that what is asked for behind it is answered in the time of the next round.
      async holders(prefix) {
        if (isFirst) await clock.sleep(roundMs * 0.8);
        return leases.holders(prefix);
      },
      async acquireUnder(name, under) {
        const answer = leases.acquireUnder(name, under);
        if (!isFirst) return answer;
        if (name.endsWith("/0")) throw new TidingsError("unavailable");
        return new Promise((resolve) => late.push(() => resolve(answer)));
      },
    });
    const over = worker.run();
    await clock.advance(roundMs * 0.9);
    expect(late).toHaveLength(1);
    isFirst = false;
    await clock.advance(roundMs * 0.2);
    late[0]?.();
    await clock.advance(0);
    expect([...working.values()].map(({ size }) => size)).toEqual([1, 1]);
    await clock.advance(10 * leaseMs);
    expect([...working.values()].map(({ size }) => size)).toEqual([1, 1]);
    expect(begun).toBe(2);
    await worker.drain();
    await over;
    expect([...working.values()].map(({ size }) => size)).toEqual([0, 0]);
    expect(await held()).toEqual([]);
  });

  it("come to it at the moment when the presence of whoever held them ends, whenever that is", async () => {
    const worker = openWorker({});
    void worker.run();
    await clock.advance(roundMs);
    const other = await leases.acquire("workers/present/w_2", "w_2", 2 * leaseMs);
    await clock.advance(2 * leaseMs - roundMs);
    expect(working.get(0)?.size).toBe(0);
    if (other === undefined) throw new Error("It is given.");
    const under = { name: "workers/present/w_2", lease: other };
    expect(await leases.acquireUnder("workers/partition/0", under)).toBeDefined();
    // Said the last time at a moment that is none of a round.
    await clock.advance(roundMs / 4);
    await leases.renew(under.name, other, leaseMs);
    await clock.advance(leaseMs - 1);
    expect(working.get(0)?.size).toBe(0);
    await clock.advance(2);
    expect(working.get(0)?.size).toBe(1);
    await worker.stop();
  });

  it("stay its own while the giving back of one that it did not know to be its own is not answered", async () => {
    const silent = new Promise<never>(() => undefined);
    let isLost = true;
    const worker = openWorker({
      async acquireUnder(name, under) {
        const lease = await leases.acquireUnder(name, under);
        return isLost && name.endsWith("/0") ? silent : lease;
      },
      release: () => silent,
    });
    void worker.run();
    await clock.advance(roundMs / 2);
    isLost = false;
    expect([...working.keys()]).toEqual([1]);
    // Somebody comes who should hold the one whose taking was answered to nobody.
    await leases.acquire("workers/present/w_2", "w_2", 100 * leaseMs);
    for (let round = 0; round < 12; round += 1) {
      await clock.advance(roundMs);
      expect(working.get(1)?.size).toBe(1);
      expect((await leases.holders("workers/present/")).has("workers/present/w_1")).toBe(true);
    }
    expect(begun).toBe(1);
    const over = worker.stop();
    await clock.advance(roundMs);
    await over;
  });

  it("are left to others while it is unfit and there are others, and are its own again afterwards", async () => {
    const worker = openWorker({});
    void worker.run();
    await clock.advance(roundMs);
    isFit = false;
    await clock.advance(leaseMs);
    // Nobody else is there.
    expect([...working.values()].map(({ size }) => size)).toEqual([1, 1]);
    const other = await leases.acquire("workers/present/w_2", "w_2", 100 * leaseMs);
    await clock.advance(leaseMs);
    expect([...working.values()].map(({ size }) => size)).toEqual([0, 0]);
    expect(await held()).toEqual([]);
    isFit = true;
    await clock.advance(leaseMs);
    expect(working.get(1)?.size).toBe(1);
    if (other !== undefined) await leases.release("workers/present/w_2", other);
    await clock.advance(leaseMs);
    expect([...working.values()].map(({ size }) => size)).toEqual([1, 1]);
    await worker.stop();
  });

  it("are left to others by an unfit worker that cannot end what is under way, after a lease's time", async () => {
    const worker = openWorker({});
    void worker.run();
    await clock.advance(roundMs);
    [isFit, isStuck] = [false, true];
    await leases.acquire("workers/present/w_2", "w_2", 100 * leaseMs);
    await clock.advance(roundMs);
    expect(await held()).toEqual(["w_1", "w_1"]);
    await clock.advance(leaseMs);
    expect(await held()).toEqual([]);
    // It is fit again, and is still at it: nothing is worked on twice here.
    isFit = true;
    await clock.advance(2 * leaseMs);
    expect(begun).toBe(2);
    expect([...working.values()].map(({ size }) => size)).toEqual([1, 1]);
    await worker.stop();
  });

  it("are counted on again where the answer to its being unfit was lost", async () => {
    let isLost = true;
    const worker = openWorker({
      async acquireUnder(name, under) {
        const lease = await leases.acquireUnder(name, under);
        if (isLost && name.startsWith("workers/leaving/")) throw new TidingsError("unavailable");
        return lease;
      },
    });
    void worker.run();
    await clock.advance(roundMs / 2);
    isFit = false;
    await clock.advance(roundMs);
    isFit = true;
    isLost = false;
    expect([...(await leases.holders("workers/leaving/")).values()]).toEqual(["w_1"]);
    await clock.advance(roundMs);
    expect([...(await leases.holders("workers/leaving/")).values()]).toEqual([]);
    await worker.stop();
  });
});
