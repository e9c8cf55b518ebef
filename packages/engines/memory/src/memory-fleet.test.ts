import { leasesContract, logImageContract, manualTime, messageLogContract } from "@tidings/contract";
import { createManualClock, type Lease } from "@tidings/core";
import { describe, expect, test } from "vitest";
import { createMemoryFleet } from "./memory-fleet.ts";
import { createMemoryLeases, leasesMax } from "./memory-leases.ts";
import { createMemoryMessageLog } from "./memory-message-log.ts";
import { createMemoryDatabases } from "./memory-stores.ts";

const engine = "the memory engine";
const close = async (): Promise<void> => undefined;

messageLogContract(engine, async () => {
  const { fleet } = createMemoryFleet({ clock: createManualClock(), partitions: 2 });
  return { log: fleet.log, close };
});

logImageContract(engine, async () => ({ ...createMemoryDatabases(), close }));

leasesContract(engine, async () => {
  const clock = createManualClock();
  return { leases: createMemoryLeases(clock), time: manualTime(clock), close };
});

describe("a log in memory that is full", () => {
  test("answers that it is busy, and appends nothing", async () => {
    const log = createMemoryMessageLog({ partitions: 1, charactersMax: 10 });
    await log.append(0, "12345678");
    await expect(log.append(0, "123")).rejects.toMatchObject({ code: "busy" });
    expect(await log.end(0)).toBe(1);
    expect(await log.append(0, "12")).toBe(2);
  });
});

describe("leases in memory", () => {
  test("refuse more names than their limit, until some have ended", async () => {
    const clock = createManualClock();
    const leases = createMemoryLeases(clock);
    for (let index = 0; index < leasesMax; index += 1) await leases.acquire(`name/${index}`, "one", 1_000);
    await expect(leases.acquire("one more", "one", 1_000)).rejects.toMatchObject({ code: "unavailable" });
    expect(await leases.acquire("name/0", "one", 1_000)).toBeDefined();
    await clock.advance(1_000);
    expect(await leases.acquire("one more", "one", 1_000)).toBeDefined();
  });

  test("are the same again after their journal, at a clock that shows the journal's times", async () => {
    let nowMs = 0;
    const clock = { monotonicMs: () => nowMs };
    const calls = [
      [0, "one"],
      [500, "other"],
      [1_000, "other"],
      [1_500, "one"],
    ] as const;
    const perform = async (): Promise<readonly (Lease | undefined)[]> => {
      const leases = createMemoryLeases(clock);
      const answers: (Lease | undefined)[] = [];
      for (const [atMs, holder] of calls) {
        nowMs = atMs;
        answers.push(await leases.acquire("partition/1", holder, 1_000));
      }
      nowMs = 1_999;
      expect([...(await leases.holders("partition/"))]).toEqual([["partition/1", "other"]]);
      return answers;
    };
    const first = await perform();
    expect(first.map((lease) => lease?.holder)).toEqual(["one", undefined, "other", undefined]);
    expect(await perform()).toEqual(first);
  });
});
