import {
  acknowledgeBeforeCommit,
  deliverToRemovedMember,
  failingCases,
  forgetIdempotency,
  leaveHoleInSeq,
  openMemoryDisk,
  systemCases,
  systemContract,
} from "@tidings/contract";
import { openTemporaryEngine } from "@tidings/engine-sqlite/testing";
import { describe, expect, test } from "vitest";
import { openComposedSystem } from "./testing/composed-system.ts";

systemContract("the memory engine with a disk that forgets", () => openComposedSystem(openMemoryDisk()));
systemContract("the SQLite engine", async () => openComposedSystem(await openTemporaryEngine()));

/** The suite is worth something only if it fails for a system whose engine is broken. */
describe("the suite of the whole system", () => {
  const broken = [
    [
      "acknowledges before it commits",
      acknowledgeBeforeCommit,
      "keeps what it acknowledged, and the names of it, when it crashes (G1, G2)",
    ],
    [
      "forgets idempotency",
      forgetIdempotency,
      "stores a message once however often it is sent, and answers as the first time (G2)",
    ],
    [
      "leaves a hole in seq",
      leaveHoleInSeq,
      "shows every member the same entries in the same order, dense from 1 (G3)",
    ],
    [
      "delivers to a removed member",
      deliverToRemovedMember,
      "gives a removed member the removal and nothing after it (G7)",
    ],
  ] as const;

  test.each(broken)("finds an engine that %s", async (_fault, open, name) => {
    const cases = systemCases.filter((one) => one.name === name);
    expect(cases).toHaveLength(1);
    const openSystem = async () => openComposedSystem(await open());
    expect(await failingCases(cases, openSystem, { deadlineMs: 10_000 })).toEqual([name]);
  });
});
