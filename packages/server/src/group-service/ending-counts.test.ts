import { describe, expect, it } from "vitest";
import { asUserId } from "@tidings/protocol";
import { EndingCounts } from "./ending-counts.ts";

const users = Array.from({ length: 20 }, (_, index) => asUserId(`user${index}`));

describe("counting endings", () => {
  it("never misses one, also of users that it does not remember any more", () => {
    const counts = new EndingCounts(5);
    for (let round = 0; round < 10; round += 1) {
      for (const user of users) {
        const before = counts.of(user);
        counts.note(user);
        expect(counts.of(user)).toBeGreaterThan(before);
      }
    }
  });

  it("leaves others alone as long as it remembers", () => {
    const counts = new EndingCounts(100);
    const before = users.map((user) => counts.of(user));
    counts.note(asUserId("somebody else"));
    expect(users.map((user) => counts.of(user))).toEqual(before);
    counts.noteAll();
    for (const [index, user] of users.entries()) expect(counts.of(user)).toBeGreaterThan(before[index] ?? 0);
  });
});
