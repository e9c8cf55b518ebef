import { describe, expect, test } from "vitest";
import { connectionWatchCases } from "./connection-watch-cases.ts";
import { failingCases } from "./contract-case.ts";
import { leasesCases } from "./leases-cases.ts";
import { logImageCases } from "./log-image-cases.ts";
import { messageLogCases } from "./message-log-cases.ts";
import {
  applyWithoutEpochCheck,
  applyWithoutPositionCheck,
  forgetEpochOnRelease,
  giveLeaseToTwo,
  openBrokenDirectory,
  openBrokenImage,
  openBrokenImageOnDisk,
  openBrokenLeases,
  storePositionApart,
  takeOverInMemoryOnly,
  watchWithoutEnds,
  watchWithoutRows,
} from "./testing/broken-fleets.ts";
import { openMemoryFleetDisk } from "./testing/memory-disk.ts";

describe("the suites of a fleet's engines", () => {
  test("find nothing wrong with engines that are not broken", async () => {
    expect(
      await failingCases(
        logImageCases,
        openBrokenImageOnDisk((image) => image),
      ),
    ).toEqual([]);
    expect(await failingCases(messageLogCases, async () => openMemoryFleetDisk())).toEqual([]);
    expect(
      await failingCases(
        leasesCases,
        openBrokenLeases((leases) => leases),
      ),
    ).toEqual([]);
  });

  test("find a log that answers before it is durable", async () => {
    const failing = await failingCases(messageLogCases, async () =>
      openMemoryFleetDisk({ acknowledge: "before-sync" }),
    );
    expect(failing).toContain("keeps whatever it answered through a crash, in its place");
    expect(failing).toContain("shows a reader only what would survive a crash");
  });

  test("find an image that answers before it is durable", async () => {
    const failing = await failingCases(logImageCases, async () => openMemoryFleetDisk({ acknowledge: "before-sync" }));
    expect(failing).toEqual(["keeps entries, position and epoch that it answered through a crash"]);
  });

  test("find an image that checks no epoch", async () => {
    const failing = await failingCases(logImageCases, openBrokenImage(applyWithoutEpochCheck));
    expect(failing).toContain("refuses an older epoch, also when the newer one was only taken over");
    expect(failing).toContain("lets an old holder's last batch come before the new holder, or not at all");
    expect(failing).toContain("does what a simple model does, whoever applies whatever in whatever order");
  });

  test("find an image that does not store an epoch that was only taken over", async () => {
    const failing = await failingCases(logImageCases, openBrokenImage(takeOverInMemoryOnly));
    expect(failing).toContain("refuses an older epoch, also when the newer one was only taken over");
  });

  test("find an image that stores the position apart from the entries", async () => {
    const failing = await failingCases(logImageCases, openBrokenImageOnDisk(storePositionApart));
    expect(failing).toContain("has entries and position together whenever it crashes");
  });

  test("find an image that does not look whether a batch follows what is applied", async () => {
    const failing = await failingCases(logImageCases, openBrokenImage(applyWithoutPositionCheck));
    expect(failing).toContain("refuses a batch that does not follow what is applied, and applies nothing of it");
    expect(failing).toContain("applies one of many batches that come for the same position");
  });

  test("find a lease that two hold", async () => {
    const failing = await failingCases(leasesCases, openBrokenLeases(giveLeaseToTwo));
    expect(failing).toContain("gives a lease to one holder at a time");
    expect(failing).toContain("gives a lease that many ask for at the same time to one of them");
  });

  test("find epochs that begin again after a release", async () => {
    const failing = await failingCases(leasesCases, openBrokenLeases(forgetEpochOnRelease));
    expect(failing).toContain("gives every taking of a name a higher epoch, after an end, a release or a renewal");
  });

  test("find a watch that does not begin with what is there, or tells no end", async () => {
    const failures = (breakDirectory: Parameters<typeof openBrokenDirectory>[0]) =>
      failingCases(connectionWatchCases, openBrokenDirectory(breakDirectory), { deadlineMs: 300 });
    expect(await failures((directory) => directory)).toEqual([]);
    expect(await failures(watchWithoutRows)).toContain("begins a watch with all rows that count, in one batch");
    expect(await failures(watchWithoutEnds)).toContain(
      "tells who watches that a machine is gone when it retires, and when its lease has ended",
    );
  });
});
