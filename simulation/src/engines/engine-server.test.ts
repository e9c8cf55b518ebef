import { createMemoryMessageLog } from "@tidings/engine-memory";
import type { MessageLog } from "@tidings/core";
import { expect, test } from "vitest";
import { Prng } from "../kernel/prng.ts";
import { Timeline } from "../kernel/timeline.ts";
import { EngineServer } from "./engine-server.ts";

function openServer(seed: number, answeredEarly: readonly string[] = []) {
  const timeline = new Timeline();
  const server = new EngineServer(timeline, {
    place: "log",
    random: new Prng(seed),
    writes: ["log.append"],
    answeredEarly,
    disk: { fsyncMsMin: 2, fsyncMsMax: 4 },
    create: () => ({ log: createMemoryMessageLog({ partitions: 1 }) }),
  });
  const append = (body: string, answered: string[]): void => {
    void server.call("log", "append", [0, body]).then(() => answered.push(body));
  };
  const bodies = async (): Promise<string[]> => {
    const log = server.engines["log"] as MessageLog;
    if ((await log.end(0)) === 0) return [];
    for await (const records of log.read(0, 0, new AbortController().signal)) return records.map(({ body }) => body);
    return [];
  };
  return { timeline, server, append, bodies };
}

test("what was answered outlives a crash; what was not may be gone, from its end on", async () => {
  const kept = new Set<number>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const { timeline, server, append, bodies } = openServer(seed);
    const answered: string[] = [];
    append("a", answered);
    await timeline.run(10);
    for (const body of ["b", "c", "d"]) append(body, answered);
    await timeline.run(10.5);
    server.crash();
    await timeline.run(50);
    server.restart();
    expect(answered).toEqual(["a"]);
    const found = await bodies();
    expect(["a", "b", "c", "d"].slice(0, found.length)).toEqual(found);
    expect(found.length).toBeGreaterThanOrEqual(1);
    kept.add(found.length);
  }
  // Nothing, or all, or a part of what was being written.
  expect(kept.size).toBeGreaterThan(1);
});

test("a write is seen only when it is on the disk; several that wait share one write", async () => {
  const { timeline, append, bodies } = openServer(1);
  const answered: string[] = [];
  append("a", answered);
  append("b", answered);
  append("c", answered);
  await timeline.run(1);
  expect(await bodies()).toEqual([]);
  await timeline.run(4);
  expect(answered).toEqual(["a"]);
  await timeline.run(8);
  expect(answered).toEqual(["a", "b", "c"]);
});

test("a server that answers early loses what it answered", async () => {
  const left = new Set<number>();
  for (let seed = 1; seed <= 20; seed += 1) {
    const { timeline, server, append, bodies } = openServer(seed, ["log.append"]);
    const answered: string[] = [];
    append("a", answered);
    await timeline.run(1);
    expect(answered).toEqual(["a"]);
    server.crash();
    server.restart();
    left.add((await bodies()).length);
  }
  expect(left.has(0)).toBe(true);
});
