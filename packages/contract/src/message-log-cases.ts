import { deepEqual, equal, ok } from "node:assert/strict";
import { type LogRecord, type MessageLog, recordBytesMax, recordsAtOnceMax } from "@tidings/core";
import type { ContractCase } from "./contract-case.ts";
import type { LogFixture } from "./fleet-contracts.ts";
import { fresh, times, upTo } from "./samples.ts";

/** The promises of `MessageLog`. */
export const messageLogCases: readonly ContractCase<LogFixture>[] = [
  {
    name: "keeps the records of a partition in the order of their appends, at ascending positions",
    async run({ log }) {
      const start = await log.end(0);
      const bodies = times(20, fresh.name);
      const positions: number[] = [];
      for (const body of bodies) positions.push(await log.append(0, body));
      deepEqual(await take(log, 0, start, 20), recordsOf(positions, bodies));
      ok(positions.every((position, index) => position > (positions[index - 1] ?? start)));
      equal(await log.end(0), positions.at(-1));
    },
  },
  {
    name: "gives every record of many callers one place, the same for every reader",
    async run({ log }) {
      const start = await log.end(0);
      const bodies = times(200, fresh.name);
      const positions = await Promise.all(bodies.map((body) => log.append(0, body)));
      const expected = recordsOf(positions, bodies).sort((one, other) => one.position - other.position);
      equal(new Set(positions).size, 200);
      for (const records of await Promise.all(times(3, () => take(log, 0, start, 200)))) deepEqual(records, expected);
    },
  },
  {
    name: "keeps partitions apart",
    async run({ log }) {
      const starts = await Promise.all([log.end(0), log.end(1)]);
      const [zero, one, last] = [fresh.name(), fresh.name(), fresh.name()];
      await log.append(0, zero);
      await log.append(1, one);
      await log.append(0, last);
      deepEqual(bodiesOf(await take(log, 0, starts[0], 2)), [zero, last]);
      deepEqual(bodiesOf(await take(log, 1, starts[1], 1)), [one]);
      deepEqual(await Promise.all([log.end(0), log.end(1)]), [
        (await take(log, 0, starts[0], 2)).at(-1)?.position,
        (await take(log, 1, starts[1], 1)).at(-1)?.position,
      ]);
    },
  },
  {
    name: "gives a reader who waits what is appended later",
    async run({ log }) {
      const start = await log.end(1);
      const bodies = times(30, fresh.name);
      const taking = take(log, 1, start, 30);
      for (const body of bodies) {
        await log.append(1, body);
        await new Promise((resolve) => setImmediate(resolve));
      }
      deepEqual(bodiesOf(await taking), bodies);
    },
  },
  {
    name: "goes on for a reader after the last record that it took",
    async run({ log }) {
      const start = await log.end(0);
      const bodies = times(10, fresh.name);
      for (const body of bodies) await log.append(0, body);
      const [third] = (await take(log, 0, start, 10)).slice(2);
      deepEqual(bodiesOf(await take(log, 0, third?.position ?? 0, 7)), bodies.slice(3));
    },
  },
  {
    name: "reads from the first record that it has, if it is asked for what is behind 0",
    async run({ log }) {
      const body = fresh.name();
      const position = await log.append(0, body);
      const stop = new AbortController();
      let before = 0;
      for await (const batch of log.read(0, 0, stop.signal)) {
        for (const record of batch) {
          ok(record.position > before);
          before = record.position;
          if (record.position === position) equal(record.body, body);
        }
        if (before >= position) break;
      }
      equal(before, position);
    },
  },
  {
    name: "gives back a body as it was, however strange or large, and twice if it was appended twice",
    async run({ log }) {
      const start = await log.end(0);
      const again = fresh.name();
      const bodies = ["ünï 漢字 🧑‍🚀 \u2028 \n\u0000", "{", "x".repeat(recordBytesMax), again, again];
      for (const body of bodies) await log.append(0, body);
      deepEqual(bodiesOf(await take(log, 0, start, bodies.length)), bodies);
    },
  },
  {
    name: "hands over batches of bounded size, however much there is",
    async run({ log }) {
      const start = await log.end(1);
      const count = 2 * recordsAtOnceMax + 10;
      await Promise.all(times(count, () => log.append(1, fresh.name())));
      const sizes: number[] = [];
      for await (const batch of log.read(1, start, new AbortController().signal)) {
        sizes.push(batch.length);
        if (sum(sizes) >= count) break;
      }
      equal(sum(sizes), count);
      ok(sizes.every((size) => size > 0 && size <= recordsAtOnceMax));
    },
  },
  {
    name: "ends a reading that is aborted, without an error, also while it waits",
    async run({ log }) {
      const start = await log.end(0);
      await log.append(0, fresh.name());
      const stop = new AbortController();
      let batches = 0;
      const reading = (async () => {
        for await (const _ of log.read(0, start, stop.signal)) batches += 1;
      })();
      while (batches === 0) await new Promise((resolve) => setImmediate(resolve));
      stop.abort();
      await reading;
      for await (const _ of log.read(0, start, stop.signal)) batches += 1;
      equal(batches, 1);
    },
  },
  {
    name: "keeps whatever it answered through a crash, in its place",
    async run(fixture) {
      if (fixture.crash === undefined) return;
      const start = await fixture.log.end(0);
      const expected: LogRecord[] = [];
      for (const _ of upTo(3)) {
        const bodies = times(10, fresh.name);
        const { log } = fixture;
        expected.push(...recordsOf(await Promise.all(bodies.map((body) => log.append(0, body))), bodies));
        await fixture.crash();
        deepEqual(await take(fixture.log, 0, start, expected.length), expected);
        equal(await fixture.log.end(0), expected.at(-1)?.position);
      }
    },
  },
  {
    name: "shows a reader only what would survive a crash",
    async run(fixture) {
      if (fixture.crash === undefined) return;
      const { log } = fixture;
      const pending = log.append(0, fresh.name()).catch(() => undefined);
      const seen = await log.end(0);
      await fixture.crash();
      await pending;
      ok((await fixture.log.end(0)) >= seen);
    },
  },
];

/** The first so many records behind a position. */
async function take(log: MessageLog, partition: number, after: number, count: number): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  const stop = new AbortController();
  for await (const batch of log.read(partition, after, stop.signal)) {
    records.push(...batch);
    if (records.length >= count) break;
  }
  return records.slice(0, count);
}

const bodiesOf = (records: readonly LogRecord[]): readonly string[] => records.map(({ body }) => body);
const recordsOf = (positions: readonly number[], bodies: readonly string[]): LogRecord[] =>
  positions.map((position, index) => ({ position, body: bodies[index]! }));
const sum = (numbers: readonly number[]): number => numbers.reduce((one, other) => one + other, 0);
