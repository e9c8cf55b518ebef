import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preferPartitions } from "./prefer-partitions.ts";

const arbitraryWorkers = fc.uniqueArray(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 9,
});
const arbitraryPartitions = fc.integer({ min: 1, max: 64 });
/** Partitions that the even share moves between workers that stay, as a part of those that must move. */
const movedByEvenShare = 0.3;
const worker = (index: number): string => `worker-${index}`;
const workers = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => worker(index));

const partitionsOf = (preferred: ReadonlyMap<number, string>, holder: string): readonly number[] =>
  [...preferred].filter(([, one]) => one === holder).map(([partition]) => partition);

describe("who should hold which partition", () => {
  it("is one of the workers for every partition, and none has more than the even share", () => {
    fc.assert(
      fc.property(arbitraryWorkers, arbitraryPartitions, (live, partitions) => {
        const preferred = preferPartitions(live, partitions);
        expect([...preferred.keys()]).toEqual(Array.from({ length: partitions }, (_, index) => index));
        for (const holder of preferred.values()) expect(live).toContain(holder);
        const share = Math.ceil(partitions / live.length);
        for (const holder of live) expect(partitionsOf(preferred, holder).length).toBeLessThanOrEqual(share);
      }),
    );
  });

  it("is the same for everyone who knows the same workers, in whatever order", () => {
    fc.assert(
      fc.property(
        arbitraryWorkers.chain((live) =>
          fc.tuple(fc.constant(live), fc.shuffledSubarray(live, { minLength: live.length })),
        ),
        arbitraryPartitions,
        ([live, shuffled], partitions) => {
          expect(preferPartitions(shuffled, partitions)).toEqual(preferPartitions(live, partitions));
        },
      ),
    );
  });

  it("is nobody when no worker is there, and the only one when one is", () => {
    expect(preferPartitions([], 16).size).toBe(0);
    expect(new Set(preferPartitions(["alone"], 16).values())).toEqual(new Set(["alone"]));
  });

  it("changes by little more than the share of a worker that is lost", () => {
    let moved = 0;
    let lost = 0;
    for (const count of [3, 4, 5, 6, 8]) {
      for (const left of workers(count)) {
        const before = preferPartitions(workers(count), 64);
        const after = preferPartitions(
          workers(count).filter((one) => one !== left),
          64,
        );
        lost += partitionsOf(before, left).length;
        moved += [...before].filter(([partition, holder]) => holder !== left && after.get(partition) !== holder).length;
      }
    }
    // The even share makes some others move, too; without it (the plain order of hashes) none would.
    expect(moved).toBeLessThan(lost * movedByEvenShare);
  });

  it("gives a worker that comes a share, mostly from others directly", () => {
    for (const count of [2, 3, 5]) {
      const before = preferPartitions(workers(count), 64);
      const after = preferPartitions(workers(count + 1), 64);
      const gained = partitionsOf(after, worker(count)).length;
      expect(gained).toBeGreaterThan(64 / (count + 1) / 3);
      const others = [...after].filter(([partition, one]) => one !== worker(count) && before.get(partition) !== one);
      expect(others.length).toBeLessThanOrEqual(gained * movedByEvenShare);
    }
  });
});
