import { failingCases, openMemoryFleetDisk, systemCases, systemContract } from "@tidings/contract";
import { describe, expect, test } from "vitest";
import { openFleetSystem } from "./testing/fleet-system.ts";

systemContract("a fleet in the log pipeline, over disks that forget", async () =>
  openFleetSystem(openMemoryFleetDisk()),
);

describe("the suite of the whole system, over a fleet", () => {
  test("finds a log that answers before it is durable", async () => {
    // So many that it is not what repeats in the log that is lost, but what was said once.
    const lazyWrites = 2_000;
    const open = async () => openFleetSystem(openMemoryFleetDisk({ acknowledge: "before-sync", lazyWrites }));
    const failing = await failingCases(systemCases, open, { deadlineMs: 5_000 });
    expect(failing).toEqual([
      expect.stringMatching(/^keeps what it acknowledged, and the names of it, when it crashes/),
    ]);
  });
});
