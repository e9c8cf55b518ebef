import { expect, test } from "vitest";
import { UnsettledKeys } from "./unsettled-keys.ts";

const never = { rowsMin: 1_000_000, charactersMin: 1_000_000_000 };

test("tells names apart in every part", () => {
  const keys = new UnsettledKeys(never);
  keys.add({ key: 1, sender: "u_1", messageId: "2m", seq: 1, atMs: 10 });
  keys.add({ key: 1, sender: "u_12", messageId: "m", seq: 2, atMs: 20 });
  keys.committed();
  keys.add({ key: 2, sender: "u_1", messageId: "2m", seq: 3, atMs: 30 });
  expect(keys.get(1, "u_1", "2m")).toEqual({ seq: 1, atMs: 10 });
  expect(keys.get(1, "u_12", "m")).toEqual({ seq: 2, atMs: 20 });
  expect(keys.get(2, "u_1", "2m")).toEqual({ seq: 3, atMs: 30 });
  expect(keys.get(2, "u_12", "m")).toBeUndefined();
});

test("forgets what is rolled back, and what is settled when that is committed", () => {
  const keys = new UnsettledKeys(never);
  const add = (seq: number) => keys.add({ key: 1, sender: "u", messageId: `m${seq}`, seq, atMs: 0 });
  const known = () => [1, 2, 3].filter((seq) => keys.get(1, "u", `m${seq}`) !== undefined);
  add(1);
  keys.committed();
  add(2);
  keys.rolledBack();
  expect(known()).toEqual([1]);
  keys.settle();
  add(3);
  expect(known()).toEqual([3]);
  keys.rolledBack();
  expect(known()).toEqual([1]);
});

// Comparing each with all others would take minutes.
test("many messages with the same id cost no more than others", { timeout: 5_000 }, () => {
  const keys = new UnsettledKeys(never);
  const count = 200_000;
  for (let key = 1; key <= count; key += 1) {
    keys.add({ key, sender: "u", messageId: "same", seq: key, atMs: 0 });
    if (key % 1_000 === 0) keys.committed();
  }
  let found = 0;
  for (let key = 1; key <= count; key += 1) if (keys.get(key, "u", "same")?.seq === key) found += 1;
  expect(found).toBe(count);
});
