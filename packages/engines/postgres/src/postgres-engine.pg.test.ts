import { messageDraft } from "@tidings/contract";
import { type Change, createManualClock, type LogBatch } from "@tidings/core";
import { asConversationId, asMessageId, asSeq, asUserId, TidingsError } from "@tidings/protocol";
import { startPostgres } from "@tidings/cluster/servers/postgres-server.ts";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { waitingAppendsMax } from "./append-queue.ts";
import { selectStored } from "./batch-storage.ts";
import { connectionSettings } from "./database.ts";
import { examinePostgres } from "./examine-postgres.ts";
import { openPostgresEngine, type PostgresEngine } from "./postgres-engine.ts";
import { selectMessages } from "./postgres-message-store.ts";
import { migrations } from "./schema.ts";
import { openCuttingProxy } from "./testing/cutting-proxy.ts";
import { createRealTime } from "./testing/real-time.ts";
import { withPostgres } from "./testing/server-for-tests.ts";
import { askDatabase, freshDatabase, openTemporaryEngine } from "./testing/temporary-engine.ts";

const room = asConversationId("g_room");
const ann = asUserId("u_ann");
const range = { conversation: room, fromSeq: asSeq(1), toSeq: asSeq(100_000), charactersMax: 100_000_000 };
const message = (id: string, conversation = room) => ({
  conversation,
  key: { sender: ann, messageId: asMessageId(id) },
  drafts: [messageDraft(id)],
});
const batch = (afterPosition: number, ...ids: readonly string[]): LogBatch => ({
  partition: 0,
  epoch: 1,
  afterPosition,
  toPosition: afterPosition + 1,
  requests: ids.map((id) => message(id)),
});
type Plan = {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Plan[];
};
const plansWithin = (plan: Plan): readonly Plan[] => [plan, ...(plan.Plans ?? []).flatMap(plansWithin)];
const textsOf = async ({ stores }: PostgresEngine): Promise<string[]> =>
  (await stores.messages.entries(range)).map(({ json }) => (JSON.parse(json) as { text: string }).text);

await withPostgres((server) => {
  describe("a question about some entries of a long conversation", () => {
    test.each([
      { statement: selectStored, values: [room, ann, "m150"] },
      { statement: selectMessages, values: [room, 150] },
    ])("reads these only: $statement.name", async ({ statement, values }) => {
      const { url, engine, close } = await openTemporaryEngine(server());
      await Promise.all(Array.from({ length: 300 }, (_, index) => engine.stores.messages.append(message(`m${index}`))));
      await askDatabase(url, "ANALYZE tidings.entries");
      const client = new Client(connectionSettings(url));
      await client.connect();
      const ten = values.map((value) => Array.from({ length: 10 }, () => value));
      const { rows } = await client.query({ text: `EXPLAIN (ANALYZE, FORMAT JSON) ${statement.text}`, values: ten });
      const plans = plansWithin((JSON.parse(rows[0]["QUERY PLAN"]) as [{ Plan: Plan }])[0].Plan);
      const readings = plans.filter((plan) => plan["Relation Name"]?.startsWith("entries") && plan["Actual Loops"] > 0);
      expect(readings).not.toEqual([]);
      for (const plan of readings) {
        expect(plan).toMatchObject({
          "Node Type": expect.stringMatching(/^Index/),
          "Actual Rows": 1,
          "Actual Loops": 10,
        });
        expect(plan["Rows Removed by Filter"] ?? 0).toBe(0);
      }
      await client.end();
      await close();
    });
  });

  describe("the tables", () => {
    test("are made once by many processes that start at the same time", async () => {
      const url = await freshDatabase(server());
      const opening = [1, 2, 3, 4].map(() => openPostgresEngine({ url, clock: createManualClock() }));
      const engines = await Promise.all(opening);
      await engines[0]?.stores.messages.append(message("one"));
      expect(await textsOf(engines[3] as PostgresEngine)).toEqual(["one"]);
      const versions = await askDatabase(url, "SELECT version FROM tidings.schema_migrations ORDER BY version");
      expect(versions).toEqual(migrations.map((_, index) => ({ version: index + 1 })));
      await Promise.all(engines.map((engine) => engine.stop()));
    });

    test("of a newer version are refused with a sentence, and left as they are", async () => {
      const { url, close } = await openTemporaryEngine(server());
      await close();
      await askDatabase(url, "INSERT INTO tidings.schema_migrations VALUES (99)");
      const opening = openPostgresEngine({ url, clock: createManualClock() });
      await expect(opening).rejects.toMatchObject({
        code: "unavailable",
        detail: expect.stringMatching(/version 99, but this program knows versions up to/),
      });
    });

    test("for entries of conversations to come are made ahead, while the engine runs", async () => {
      const { url, clock, engine, close } = await openTemporaryEngine(server());
      await askDatabase(url, "SELECT setval('tidings.conversation_keys', 11999998)");
      await expect(engine.stores.messages.append(message("far"))).resolves.toMatchObject({ firstSeq: 1 });
      await expect(engine.stores.messages.append(message("beyond", asConversationId("g_beyond")))).rejects.toThrow(
        "no partition",
      );
      await clock.advance(10 * 60_000);
      const beyond = async () =>
        engine.stores.messages.append(message("beyond", asConversationId("g_beyond"))).catch(() => undefined);
      while ((await beyond()) === undefined);
      expect((await engine.stores.messages.heads([asConversationId("g_beyond")])).size).toBe(1);
      await close();
    });
  });

  describe("a server that goes away", () => {
    test("leaves acknowledged messages once and dense, others whole or not, and is used again (G1, G2, G3)", async () => {
      const { url, close } = await openTemporaryEngine(server());
      await close();
      const engine = await openPostgresEngine({ url, clock: createRealTime() });
      const acknowledged: string[] = [];
      let failures = 0;
      let isOver = false;
      const write = async (caller: number): Promise<void> => {
        for (let turn = 0; !isOver; turn += 1) {
          try {
            await engine.stores.messages.append(message(`${caller}-${turn}`));
            acknowledged.push(`${caller}-${turn}`);
          } catch (error) {
            expect(error).toMatchObject({ name: "TidingsError", code: "unavailable" });
            failures += 1;
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
      };
      const writing = Promise.all([1, 2, 3, 4].map(write));
      while (acknowledged.length < 50) await new Promise((resolve) => setImmediate(resolve));
      await server().kill();
      while (failures < 4) await new Promise((resolve) => setImmediate(resolve));
      await server().restart();
      const before = acknowledged.length;
      while (acknowledged.length < before + 50) await new Promise((resolve) => setImmediate(resolve));
      isOver = true;
      await writing;
      const texts = await textsOf(engine);
      expect(new Set(texts).size).toBe(texts.length);
      expect(acknowledged.filter((id) => !texts.includes(id))).toEqual([]);
      await engine.stop();
    });

    test("in the middle of an answer leaves a batch of which takeOver tells whether it was applied", async () => {
      const { url, engine, close } = await openTemporaryEngine(server());
      const proxy = await openCuttingProxy(server().port);
      const through = await openPostgresEngine({
        url: url.replace(`:${server().port}/`, `:${proxy.port}/`),
        clock: createRealTime(),
        connectionsMax: 1,
      });
      await through.image.takeOver(0, 1);
      await through.image.apply(batch(0, "a"));
      const cut = proxy.cutNextAnswer();
      await expect(through.image.apply(batch(1, "b", "c"))).rejects.toMatchObject({ code: "unavailable" });
      await cut;
      // It was: only the answer was lost. What the process knew of the conversation is forgotten with it.
      expect(await through.image.takeOver(0, 1)).toEqual({ position: 2 });
      expect(await through.image.apply(batch(2, "c", "d"))).toEqual([
        { outcome: "duplicate", seq: 3, atMs: 1_000 },
        { outcome: "appended", firstSeq: 4, lastSeq: 4 },
      ]);
      expect(await textsOf(engine)).toEqual(["a", "b", "c", "d"]);
      await through.stop();
      await proxy.close();
      await close();
    });
  });

  test("what a database that went back lacks is applied again (G1)", async () => {
    const { url, engine, close } = await openTemporaryEngine(server());
    await engine.image.takeOver(0, 1);
    await engine.image.apply(batch(0, "a"));
    await engine.image.apply(batch(1, "b"));
    // As a standby does that took over without the last commit.
    await askDatabase(url, "UPDATE tidings.partitions SET position = 1");
    await askDatabase(url, "UPDATE tidings.conversations SET head = 1, messages = 1");
    await askDatabase(url, "DELETE FROM tidings.entries WHERE seq = 2");
    expect(await engine.image.takeOver(0, 1)).toEqual({ position: 1 });
    expect(await engine.image.apply(batch(1, "b"))).toEqual([{ outcome: "appended", firstSeq: 2, lastSeq: 2 }]);
    expect(await textsOf(engine)).toEqual(["a", "b"]);
    await close();
  });

  describe("the change feed", () => {
    test("is taken over from a machine that still holds it", async () => {
      const { url, clock, engine, close } = await openTemporaryEngine(server());
      const other = await openPostgresEngine({ url, clock });
      const stop = new AbortController();
      const old = engine.stores.feed.changes("group-worker", stop.signal)[Symbol.asyncIterator]();
      const first = old.next();
      await consumerKnown(engine, "group-worker");
      await engine.stores.messages.append(message("one"));
      expect(seqsIn((await first).value)).toEqual([1]);
      const lost = expect(old.next()).rejects.toMatchObject({ code: "unavailable" });
      const taken = other.stores.feed.changes("group-worker", stop.signal)[Symbol.asyncIterator]();
      // It was not advanced over, so it comes again.
      expect(seqsIn((await taken.next()).value)).toEqual([1]);
      await lost;
      stop.abort();
      await taken.next();
      await other.stop();
      await close();
    });

    test("says which conversations got nothing but messages that mention nobody", async () => {
      const { engine, close } = await openTemporaryEngine(server());
      const stop = new AbortController();
      const next = engine.stores.feed.changes("plain", stop.signal)[Symbol.asyncIterator]().next();
      // It begins at the present.
      await consumerKnown(engine, "plain");
      await engine.image.takeOver(0, 1);
      const other = asConversationId("g_other");
      const mention = { ...messageDraft(), json: JSON.stringify({ kind: "message", at_ms: 1_000, mentions: [ann] }) };
      const requests = [message("one"), message("two", other), { ...message("three", other), drafts: [mention] }];
      await engine.image.apply({ partition: 0, epoch: 1, afterPosition: 0, toPosition: 1, requests });
      const changes = (await next).value as readonly Change[];
      expect(changes.map(({ conversation, toSeq, isPlain }) => [conversation, toSeq, isPlain])).toEqual([
        [room, 1, true],
        [other, 2, undefined],
      ]);
      stop.abort();
      await close();
    });

    test("lets the server forget its log also while nothing is said", async () => {
      const { url, engine, close } = await openTemporaryEngine(server());
      const name = new URL(url).pathname.slice(1);
      await askDatabase(url, `ALTER ROLE tidings IN DATABASE ${name} SET wal_sender_timeout = '300ms'`);
      const stop = new AbortController();
      const next = engine.stores.feed.changes("quiet", stop.signal)[Symbol.asyncIterator]().next();
      await consumerKnown(engine, "quiet");
      await askDatabase(url, "CREATE TABLE others AS SELECT generate_series(1, 1000)");
      const { newest } = await engine.stores.feed.positions();
      const confirmed = async (): Promise<number> => {
        const [slot] = await askDatabase<{ position: string }>(
          url,
          "SELECT confirmed_flush_lsn - '0/0' AS position FROM pg_replication_slots WHERE database = current_database()",
        );
        return Number(slot?.position);
      };
      while ((await confirmed()) < newest);
      stop.abort();
      expect((await next).done).toBe(true);
      await close();
    });
  });

  test("without wal_level = logical only the change feed is refused, with a sentence", async () => {
    const replica = await startPostgres({ settings: { wal_level: "replica" } });
    const engine = await openPostgresEngine({ url: replica.url, clock: createManualClock() });
    await engine.stores.messages.append(message("one"));
    expect(await textsOf(engine)).toEqual(["one"]);
    await expect(engine.stores.feed.advance("group-worker", 1)).rejects.toMatchObject({
      code: "unavailable",
      detail: expect.stringContaining("wal_level = logical; it is replica"),
    });
    await engine.stop();
    await replica.stop();
  });

  describe("batches of several partitions that come at the same time", () => {
    const batchOf = (partition: number, epoch = 1): LogBatch => ({
      partition,
      epoch,
      afterPosition: 0,
      toPosition: 7,
      requests: [message(`${partition}`, asConversationId(`g_${partition}`))],
    });

    test("are few transactions", async () => {
      const { engine, close } = await openTemporaryEngine(server());
      const partitions = Array.from({ length: 30 }, (_, partition) => partition);
      const outcomes = await Promise.all(partitions.map((partition) => engine.image.apply(batchOf(partition))));
      expect(outcomes).toEqual(partitions.map(() => [{ outcome: "appended", firstSeq: 1, lastSeq: 1 }]));
      expect(await Promise.all(partitions.map((partition) => engine.image.position(partition)))).toEqual(
        partitions.map(() => 7),
      );
      expect(engine.stats).toEqual({ commits: 1, appends: 30, waiting: 0 });
      await close();
    });

    test("do not pay for one among them that is refused", async () => {
      const { engine, close } = await openTemporaryEngine(server());
      await engine.image.takeOver(1, 5);
      const refused = { ...batchOf(2), afterPosition: 3 };
      const broken = { ...batchOf(3), requests: [{ ...message("\0"), drafts: [messageDraft("\0")] }] };
      const answers = await Promise.allSettled(
        [batchOf(0), batchOf(1), refused, broken, batchOf(4)].map((one) => engine.image.apply(one)),
      );
      expect(answers).toMatchObject([
        { status: "fulfilled" },
        { status: "rejected", reason: { name: "StaleEpochError" } },
        { status: "rejected", reason: { name: "WrongPositionError" } },
        { status: "rejected", reason: { code: "22021" } },
        { status: "fulfilled" },
      ]);
      const positions = [0, 1, 2, 3, 4].map((partition) => engine.image.position(partition));
      expect(await Promise.all(positions)).toEqual([7, 0, 0, 0, 7]);
      await close();
    });
  });

  describe("limits", () => {
    test("refuse appends beyond the bound with a time to come back (G8)", async () => {
      const { engine, close } = await openTemporaryEngine(server());
      const appends = Array.from({ length: waitingAppendsMax + 1 }, (_, index) =>
        engine.stores.messages.append(message(`${index}`)).then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      expect(await appends.at(-1)).toMatchObject({ code: "unavailable", retryAfterMs: expect.any(Number) });
      expect(engine.stats.waiting).toBeGreaterThan(0);
      await close();
      // Whatever was stored was acknowledged, and all the rest rejected.
      const answers = await Promise.all(appends);
      expect(answers.every((answer) => answer === undefined || answer instanceof TidingsError)).toBe(true);
    });

    test("draining stores what was taken, takes no more, and reads on", async () => {
      const { engine, close } = await openTemporaryEngine(server());
      const taken = [1, 2, 3].map((id) => engine.stores.messages.append(message(`${id}`)));
      await engine.drain();
      expect((await Promise.all(taken)).map(({ outcome }) => outcome)).toEqual(["appended", "appended", "appended"]);
      await expect(engine.stores.messages.append(message("4"))).rejects.toMatchObject({ code: "unavailable" });
      await expect(engine.image.takeOver(0, 1)).rejects.toMatchObject({ code: "unavailable" });
      expect(await textsOf(engine)).toEqual(["1", "2", "3"]);
      expect(engine.stats).toEqual({ commits: 1, appends: 3, waiting: 0 });
      await close();
    });
  });

  test("what the server says of itself is told as it is", async () => {
    const { url, close } = await openTemporaryEngine(server());
    const found = await examinePostgres(url);
    expect(found).toMatchObject({ fsync: "on", synchronousCommit: "on", fullPageWrites: "on", walLevel: "logical" });
    expect(found).toMatchObject({
      replicationSlotsMax: 50,
      isInRecovery: false,
      mayReplicate: true,
      synchronousStandbyNames: "",
    });
    for (const { keptBytes } of found.idleSlots) expect(keptBytes).toBeGreaterThanOrEqual(0);
    expect(found.schemaVersion).toBe(migrations.length);
    expect(found.versionNumber).toBeGreaterThanOrEqual(150_000);
    expect(Math.abs(found.clockMs - Date.now())).toBeLessThan(60_000);
    expect((await examinePostgres(server().url)).schemaVersion).toBe(0);
    await expect(examinePostgres("postgresql://tidings@127.0.0.1:1/none")).rejects.toMatchObject({
      code: "unavailable",
    });
    await close();
  });
});

const seqsIn = (changes: readonly Change[]): readonly number[] => changes.map(({ toSeq }) => toSeq);

async function consumerKnown({ stores }: PostgresEngine, consumer: string): Promise<void> {
  while (!(await stores.feed.positions()).consumers.has(consumer));
}
