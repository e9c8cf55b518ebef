import { asConversationId } from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { hashText, partitionOf } from "./partition-of.ts";

describe("the partition of a conversation", () => {
  // These never change: a conversation whose partition changed would have two orders.
  it.each([
    ["g_0", 12451768, 8, 56],
    ["g_1", 2719187512, 8, 56],
    ["g_abcdefghijklmnop", 41093931, 11, 43],
    ["d_u_1~u_2", 2981564679, 7, 7],
    ["g_z9", 1626317994, 10, 42],
  ])("of %s stays what it is", (id, hash, of16, of64) => {
    expect(hashText(id)).toBe(hash);
    expect(partitionOf(asConversationId(id), 16)).toBe(of16);
    expect(partitionOf(asConversationId(id), 64)).toBe(of64);
  });

  it("begins its hash at the offset basis of FNV-1a, mixed as MurmurHash3 ends", () => {
    const mixed = (start: number): number => {
      let hash = BigInt(start);
      hash ^= hash >> 16n;
      hash = (hash * 0x85ebca6bn) & 0xffffffffn;
      hash ^= hash >> 13n;
      hash = (hash * 0xc2b2ae35n) & 0xffffffffn;
      return Number(hash ^ (hash >> 16n));
    };
    expect(hashText("")).toBe(mixed(0x811c9dc5));
    // From the published test vectors of 32-bit FNV-1a.
    expect(hashText("a")).toBe(mixed(0xe40c292c));
    expect(hashText("foobar")).toBe(mixed(0xbf9cf968));
  });

  it.each([1, 7, 16, 64])("spreads conversations evenly over %d partitions, whatever their names", (partitions) => {
    const perPartition = 1_000;
    for (const prefix of ["g_", "g_room-", "d_u_1~u_"]) {
      const counts = new Array<number>(partitions).fill(0);
      for (let index = 0; index < partitions * perPartition; index += 1) {
        const partition = partitionOf(asConversationId(`${prefix}${index}`), partitions);
        counts[partition] = (counts[partition] ?? 0) + 1;
      }
      expect(counts).toHaveLength(partitions);
      // Six standard deviations of a fair share.
      const slack = 6 * Math.sqrt(perPartition);
      expect(Math.min(...counts)).toBeGreaterThan(perPartition - slack);
      expect(Math.max(...counts)).toBeLessThan(perPartition + slack);
    }
  });
});
