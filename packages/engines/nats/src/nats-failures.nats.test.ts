import { type NatsServer, startNats } from "@tidings/cluster/servers/nats-server.ts";
import { withNats } from "@tidings/cluster/servers/testing/with-nats.ts";
import type { Lease, MessageLog } from "@tidings/core";
import { asMachineId, asUserId } from "@tidings/protocol";
import { afterEach, describe, expect, test } from "vitest";
import type { NatsEngine, NatsEngineOptions } from "./nats-engine.ts";
import { appendUntil, isUnavailable, until } from "./testing/appending.ts";
import { openRealEngine } from "./testing/open-engine.ts";
import { realClock } from "./testing/real-time.ts";

let closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function start(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServer> {
  const server = await startNats(options);
  closing.push(() => server.stop());
  return server;
}

async function open(server: NatsServer, options: Partial<NatsEngineOptions> = {}): Promise<NatsEngine> {
  const engine = await openRealEngine({ servers: [server.url], ...options });
  closing.push(() => engine.stop());
  return engine;
}

await withNats("what happens when a NATS server dies, is full, or is not there", () => {
  describe("a log whose server is killed", () => {
    test("has everything that was acknowledged, in its order, and a reader goes on by himself", async () => {
      const server = await start();
      const { log } = await open(server);
      const stop = new AbortController();
      const seen: string[] = [];
      const reading = readAll(log, seen, stop.signal);
      const appending = appendUntil(log, 0, stop.signal);
      await until(() => appending.acknowledged.length > 50);
      await server.kill("SIGKILL");
      await server.restart();
      const before = appending.acknowledged.length;
      await until(() => appending.acknowledged.length > before + 50);
      stop.abort();
      await appending.ended;
      await reading;
      const records = await collect(log, await log.end(0));
      expectAllInOrder(records, appending.acknowledged);
      expectAllInOrder(records, [...new Set(seen)]);
    });

    test("answers that it is unavailable, in time, and comes back by itself", async () => {
      const server = await start();
      const { log, leases, connections } = await open(server);
      await server.kill("SIGKILL");
      const beganMs = realClock.monotonicMs();
      const answers = await Promise.allSettled([
        log.append(0, "x"),
        log.end(0),
        leases.acquire("name", "one", 1_000),
        connections.renew(asMachineId("m"), 1_000),
        connections.machinesOf([asUserId("u_1")]),
      ]);
      expect(realClock.monotonicMs() - beganMs).toBeLessThan(5_000);
      expect(answers.map((answer) => answer.status === "rejected" && isUnavailable(answer.reason))).toEqual(
        answers.map(() => true),
      );
      await expect(leases.holders("")).rejects.toMatchObject({ code: "unavailable" });
      await server.restart();
      await until(() =>
        log.append(0, "y").then(
          () => true,
          () => false,
        ),
      );
      expect(await leases.acquire("name", "one", 1_000)).toBeDefined();
    });
  });

  describe("a log that is full", () => {
    test("answers that it is busy, appends nothing, and keeps what it has", async () => {
      const server = await start();
      const { log } = await open(server, { partitions: 1, logStreams: 1, retention: { bytesMax: 300_000 } });
      const body = "x".repeat(50_000);
      const positions: number[] = [];
      const fill = async (): Promise<never> => {
        for (;;) positions.push(await log.append(0, body));
      };
      await expect(fill()).rejects.toMatchObject({ code: "busy" });
      expect(positions.length).toBeGreaterThan(3);
      expect(await log.end(0)).toBe(positions.at(-1));
      expect((await collect(log, positions.at(-1) ?? 0)).length).toBe(positions.length);
    });
  });

  describe("a log that was laid out otherwise", () => {
    test("is refused with a sentence", async () => {
      const server = await start();
      await open(server, { partitions: 2 });
      await expect(open(server, { partitions: 3 })).rejects.toThrow("other partitions than 3");
    });
  });

  describe("leases that two engines ask for", () => {
    test("go to one of them, and to the other one when the first one is silent", async () => {
      const server = await start();
      const [one, other] = await Promise.all([open(server), open(server)]);
      for (const name of ["a", "b", "c", "d", "e"]) {
        const answers = await Promise.all([
          one.leases.acquire(name, "one", 60_000),
          other.leases.acquire(name, "other", 60_000),
        ]);
        expect(answers.filter((answer) => answer !== undefined).length).toBe(1);
      }
      const lease = (await one.leases.acquire("silent", "one", 500)) as Lease;
      expect(await other.leases.acquire("silent", "other", 500)).toBeUndefined();
      let taken: Lease | undefined;
      await until(async () => {
        taken = await other.leases.acquire("silent", "other", 60_000);
        return taken !== undefined;
      });
      expect(taken?.epoch).toBeGreaterThan(lease.epoch);
      expect(await one.leases.renew("silent", lease, 500)).toBe(false);
    });

    test("are not taken over by one that has just started, before it has seen a whole lease of silence", async () => {
      const server = await start();
      const one = await open(server);
      await one.leases.acquire("name", "one", 700);
      const beganMs = realClock.monotonicMs();
      const other = await open(server);
      await until(async () => (await other.leases.acquire("name", "other", 60_000)) !== undefined);
      expect(realClock.monotonicMs() - beganMs).toBeGreaterThan(700);
    });

    test("end with the lease that they stand under, for the other engine, too", async () => {
      const server = await start();
      const [one, other] = await Promise.all([open(server), open(server)]);
      const presence = (await one.leases.acquire("workers/one", "one", 60_000)) as Lease;
      const held = (await one.leases.acquireUnder("partition/1", { name: "workers/one", lease: presence })) as Lease;
      expect(await other.leases.acquire("partition/1", "other", 60_000)).toBeUndefined();
      await one.leases.release("workers/one", presence);
      const now = await other.leases.acquire("partition/1", "other", 60_000);
      expect(now?.epoch).toBeGreaterThan(held.epoch);
    });

    test("have higher epochs after everything was started again", async () => {
      const server = await start();
      const first = await open(server);
      const before = (await first.leases.acquire("name", "one", 60_000)) as Lease;
      await first.stop();
      await server.kill("SIGKILL");
      await server.restart();
      const second = await open(server);
      const again = (await second.leases.acquire("name", "one", 60_000)) as Lease;
      expect(again.epoch).toBeGreaterThan(before.epoch);
      await second.leases.release("name", again);
      expect((await second.leases.acquire("name", "other", 60_000))?.epoch).toBeGreaterThan(again.epoch);
    });
  });

  describe("the Connection DB", () => {
    const [machine, user] = [asMachineId("m_1"), asUserId("a.b:c@d|e+f")];

    test("shows what one engine added to another one at once, and loses a machine that died", async () => {
      const server = await start();
      const [one, other] = await Promise.all([open(server), open(server)]);
      const stop = new AbortController();
      const gone = (async () => {
        for await (const events of other.connections.watch(stop.signal)) {
          if (events.some(({ event }) => event === "gone")) return;
        }
      })();
      await one.connections.renew(machine, 700);
      await one.connections.add(user, machine);
      expect([...(await other.connections.machinesOf([user]))]).toEqual([machine]);
      await gone;
      stop.abort();
      expect([...(await other.connections.machinesOf([user]))]).toEqual([]);
    });

    test("gets the rows of a machine back when all servers, who kept them in memory, were started again", async () => {
      const server = await start();
      const [one, other] = await Promise.all([open(server), open(server)]);
      await one.connections.renew(machine, 60_000);
      await one.connections.add(user, machine);
      await server.kill("SIGKILL");
      await server.restart();
      await until(() =>
        one.connections.renew(machine, 60_000).then(
          () => true,
          () => false,
        ),
      );
      await until(async () => (await other.connections.machinesOf([user]).catch(() => new Set())).has(machine));
      await one.connections.retire(machine);
      expect([...(await other.connections.machinesOf([user]))]).toEqual([]);
    });
  });

  describe("the way to machines", () => {
    test("tells the head of a delivery that is larger than a server takes", async () => {
      const server = await start({ maxPayloadBytes: 64 * 1024 });
      const [one, other] = [await open(server, { name: "small" }), await open(server, { name: "small" })];
      const machine = asMachineId("m_1");
      const stop = new AbortController();
      const received = new Promise((resolve) => other.machines.receive(machine, resolve, stop.signal));
      await other.drain();
      const json = JSON.stringify({ text: "x".repeat(100_000) });
      const entries = [{ seq: 7, kind: "message", json }];
      const delivery = { conversation: "g_1", fromSeq: 7, entries };
      one.machines.send(machine, { tell: "delivery", delivery, recipients: [] } as never);
      expect(await received).toEqual({ tell: "heads", heads: { g_1: 7 } });
      stop.abort();
    });
  });
});

async function readAll(log: MessageLog, seen: string[], signal: AbortSignal): Promise<void> {
  let after = 0;
  while (!signal.aborted) {
    try {
      for await (const batch of log.read(0, after, signal)) {
        for (const { position, body } of batch) {
          expect(position).toBeGreaterThan(after);
          after = position;
          seen.push(body);
        }
      }
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
  }
}

async function collect(log: MessageLog, end: number): Promise<readonly string[]> {
  const bodies: string[] = [];
  for await (const batch of log.read(0, 0, new AbortController().signal)) {
    bodies.push(...batch.map(({ body }) => body));
    if ((batch.at(-1)?.position ?? 0) >= end) break;
  }
  return bodies;
}

/** All of `some` are in `all`, in their order. */
function expectAllInOrder(all: readonly string[], some: readonly string[]): void {
  let index = 0;
  for (const body of all) if (body === some[index]) index += 1;
  expect(index).toBe(some.length);
}
