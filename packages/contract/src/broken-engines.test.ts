import { describe, expect, test } from "vitest";
import { changeFeedCases } from "./change-feed-cases.ts";
import { failingCases } from "./contract-case.ts";
import { groupStoreCases } from "./group-store-cases.ts";
import type { OpenInstallation } from "./installation.ts";
import { messageStoreCases } from "./message-store-cases.ts";
import {
  acknowledgeBeforeCommit,
  deliverToRemovedMember,
  forgetIdempotency,
  forgetIdempotencyLater,
  leaveHoleInSeq,
} from "./testing/broken-engines.ts";
import { openMemoryDisk } from "./testing/memory-disk.ts";

/** The suites are worth something only if they fail for an engine that is broken. */

const cases = [...messageStoreCases, ...changeFeedCases, ...groupStoreCases];
const failures = (open: OpenInstallation) => failingCases(cases, open);

describe("the suites", () => {
  test("find nothing wrong with an engine that is not broken", async () => {
    expect(await failures(async () => openMemoryDisk())).toEqual([]);
  });

  test("find an engine that acknowledges before it commits (G1)", async () => {
    const failing = await failures(acknowledgeBeforeCommit);
    expect(failing).toContain("keeps whatever it acknowledged through a crash (G1)");
    expect(failing).toContain("remembers a key after a crash (G2)");
    expect(failing).toContain("shows only what would survive a crash");
  });

  test("find an engine that forgets idempotency (G2)", async () => {
    const failing = await failures(forgetIdempotency);
    expect(failing).toContain("answers a repeated key with the original position, and stores nothing (G2)");
    expect(failing).toContain("stores a key once that comes many times at the same time (G2)");
    expect(failing).toContain("does what a simple model does, whatever comes in whatever groups (G2, G3, G4)");
  });

  test("find an engine that forgets idempotency after a while (G2)", async () => {
    expect(await failures(forgetIdempotencyLater)).toContain(
      "remembers a key when thousands of messages came after it (G2)",
    );
  });

  test("find an engine that leaves a hole in seq (G3)", async () => {
    const failing = await failures(leaveHoleInSeq);
    expect(failing).toContain("loses, doubles and holes nothing when many write at the same time (G2, G3)");
    expect(failing).toContain("keeps the order of requests that are made without waiting for answers (G4)");
  });

  test("find an engine that goes on delivering to a removed member (G7)", async () => {
    expect(await failures(deliverToRemovedMember)).toContain(
      "ends a membership at the entry that ends it, and not only for a moment (G7)",
    );
  });
});
