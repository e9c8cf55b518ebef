import { describe, expect, test } from "vitest";
import { consumerOf, lsnOf, positionOf, slotNameOf } from "./feed-positions.ts";

describe("positions of the feed", () => {
  test.each(["0/0", "0/1", "1/0", "16/B374D848", "FFFF/FFFFFFFF"])(
    "%s is the same again after it was a number",
    (lsn) => {
      expect(lsnOf(positionOf(lsn))).toBe(lsn);
    },
  );

  test("ascend with the places in the log", () => {
    expect(positionOf("1/0")).toBe(positionOf("0/FFFFFFFF") + 1);
  });
});

describe("names of replication slots", () => {
  const consumers = ["group-worker", "group_worker", "Group Worker", "ä", "a", "_2d", "-"];

  test("hold what PostgreSQL allows, and lead back to the consumer", () => {
    for (const consumer of consumers) {
      const name = slotNameOf(4_294_967_295, consumer);
      expect(name).toMatch(/^[a-z0-9_]{1,63}$/);
      expect(consumerOf(4_294_967_295, name)).toBe(consumer);
    }
  });

  test("are of one consumer of one database each", () => {
    const names = [1, 2].flatMap((database) => consumers.map((consumer) => slotNameOf(database, consumer)));
    expect(new Set(names).size).toBe(names.length);
  });

  test("refuse a consumer whose name would be cut", () => {
    expect(() => slotNameOf(4_294_967_295, "x".repeat(60))).toThrow("too long");
  });
});
