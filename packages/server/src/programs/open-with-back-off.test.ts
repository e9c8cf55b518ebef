import { createManualClock } from "@tidings/core";
import type { Logger } from "pino";
import { describe, expect, it } from "vitest";
import { openWithBackOff, reasonOf } from "./open-with-back-off.ts";

type Line = Record<string, unknown> & { readonly says: string };

function rig(options: { failures: number }) {
  const clock = createManualClock();
  const lines: Line[] = [];
  const note = (fields: object, says: string): void => void lines.push({ ...fields, says });
  const ending = new AbortController();
  let attempts = 0;
  let stopped = 0;
  const engine = {
    drain: async () => undefined,
    async stop() {
      stopped += 1;
    },
  };
  const opener = {
    name: "PostgreSQL",
    async open() {
      attempts += 1;
      if (attempts <= options.failures) throw new Error("connect ECONNREFUSED");
      return engine;
    },
  };
  const rest = {
    clock,
    random: { fraction: () => 1, unguessable: () => "" },
    log: { warn: note, info: note } as unknown as Logger,
    retryMsMax: 1_000,
    signal: ending.signal,
  };
  return { clock, lines, ending, engine, opener, rest, counts: () => ({ attempts, stopped }) };
}

describe("opening an engine that is not there yet", () => {
  it("is tried again, ever later up to a bound, and says so each time", async () => {
    const { clock, lines, engine, opener, rest } = rig({ failures: 4 });
    const opening = openWithBackOff(opener, rest);
    await clock.advance(250 + 500 + 1_000 + 1_000);
    expect(await opening).toBe(engine);
    expect(lines.map(({ attempt, retryInMs }) => [attempt, retryInMs])).toEqual([
      [1, 250],
      [2, 500],
      [3, 1_000],
      [4, 1_000],
      [5, undefined],
    ]);
    expect(lines[0]).toMatchObject({ engine: "PostgreSQL", reason: "connect ECONNREFUSED" });
    expect(lines.at(-1)?.says).toBe("PostgreSQL can be used now.");
  });

  it("says nothing where it is there at once", async () => {
    const { lines, opener, rest } = rig({ failures: 0 });
    await openWithBackOff(opener, rest);
    expect(lines).toEqual([]);
  });

  it("ends with the machine, also during a pause", async () => {
    const { clock, ending, opener, rest } = rig({ failures: Number.POSITIVE_INFINITY });
    const opening = openWithBackOff(opener, rest);
    await clock.advance(300);
    ending.abort();
    expect(await opening).toBeUndefined();
  });

  it("ends an engine that opens when nobody waits for it any more", async () => {
    const { ending, engine, opener, rest, counts } = rig({ failures: 0 });
    const late = Promise.withResolvers<typeof engine>();
    const opening = openWithBackOff({ ...opener, open: () => late.promise }, rest);
    ending.abort();
    expect(await opening).toBeUndefined();
    expect(counts().stopped).toBe(0);
    late.resolve(engine);
    await late.promise;
    await Promise.resolve();
    expect(counts().stopped).toBe(1);
  });
});

describe("the reason of a failure", () => {
  it("holds the sentences of the causes, also of several at once", () => {
    const refused = new AggregateError([
      new Error("connect ECONNREFUSED ::1"),
      new Error("connect ECONNREFUSED 127.0.0.1"),
    ]);
    expect(reasonOf(new Error("The database does not answer.", { cause: refused }))).toBe(
      "The database does not answer. ← connect ECONNREFUSED ::1; connect ECONNREFUSED 127.0.0.1",
    );
    expect(reasonOf("gone")).toBe("gone");
  });
});
