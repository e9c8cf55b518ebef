import { createMemoryFleet, createMemoryLinks } from "@tidings/engine-memory";
import { asMachineId } from "@tidings/protocol";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BrokerEngine, DatabaseEngine } from "../fleet-openers.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import { parseSettings } from "../settings.ts";
import { serveFleetMachine } from "./serve-fleet-machine.ts";
import type { Served } from "./served.ts";
import { openWaitingDoor } from "./waiting-door.ts";

const clock = createRealClock();
const random = createRealRandom();
const openings: Served[] = [];
let steps: string[];
beforeEach(() => {
  steps = [];
});
afterEach(async () => {
  for (const one of openings.splice(0)) await one.stop();
});

/** A machine over engines in memory, which are there as soon as the test says so. The port is known before it serves. */
async function machine(roles: string, options: { port?: number; brokerDrain?: () => Promise<void> } = {}) {
  const port = options.port ?? (await freePort());
  const { stores, fleet } = createMemoryFleet({ clock, partitions: 4 });
  const links = createMemoryLinks({ clock });
  const life = (name: string) => ({
    drain: async () => void steps.push(`drain ${name}`),
    stop: async () => void steps.push(`stop ${name}`),
  });
  const databases = Promise.withResolvers<DatabaseEngine>();
  const broker = Promise.withResolvers<BrokerEngine>();
  const arrive = {
    databases: () =>
      databases.resolve({
        stores,
        image: fleet.image,
        stats: { commits: 0, appends: 0, waiting: 0 },
        ...life("databases"),
      }),
    broker: () =>
      broker.resolve({
        ...fleet,
        ...links,
        ...life("broker"),
        ...(options.brokerDrain !== undefined && { drain: options.brokerDrain }),
      }),
  };
  const served = serveFleetMachine({
    openers: {
      databases: { name: "PostgreSQL", open: () => databases.promise },
      broker: { name: "NATS", open: () => broker.promise },
    },
    machine: asMachineId("m_test"),
    deliveries: links.deliveries,
    settings: parseSettings(["--port", String(port), "--roles", roles, "--drain-ms", "0"], {}),
    clock,
    random,
    log: pino({ level: "silent" }),
  });
  openings.push(served);
  return { served, arrive, stores, url: `http://127.0.0.1:${port}` };
}

async function freePort(): Promise<number> {
  const door = await openWaitingDoor({ host: "127.0.0.1", port: 0, waitingFor: () => [] });
  await door.close();
  return door.port;
}

async function get(url: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Asks until the answer is as wanted: when it is, the machine has come so far. */
async function until(url: string, wanted: (answer: Awaited<ReturnType<typeof get>>) => boolean): Promise<void> {
  for (;;) {
    const answer = await get(url).catch(() => undefined);
    if (answer !== undefined && wanted(answer)) return;
  }
}

describe("a machine of a fleet", () => {
  it("lives and is not ready while its engines are not there, and says what it waits for", async () => {
    const { served, arrive, url } = await machine("send,receive,group,worker");
    const started = served.start();
    await until(`${url}/healthz`, ({ status }) => status === 200);
    const both = await get(`${url}/readyz`);
    expect(both.status).toBe(503);
    expect(both.body).toMatchObject({
      code: "unavailable",
      retryable: true,
      detail: "This machine waits for PostgreSQL and NATS.",
    });
    arrive.databases();
    await until(`${url}/readyz`, ({ body }) => body["detail"] === "This machine waits for NATS.");
    arrive.broker();
    expect(await started).toMatchObject({ url });
    expect(await get(`${url}/readyz`)).toEqual({ status: 200, body: { status: "ready" } });
  });

  it("that only works on the log is looked at like any other", async () => {
    const { served, arrive, url } = await machine("worker");
    arrive.databases();
    arrive.broker();
    await served.start();
    expect((await get(`${url}/healthz`)).status).toBe(200);
    expect((await get(`${url}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^tidings_partitions_held \d/m);
  });

  it("has the change feed keep what no notifier has seen, before anything is applied (G9)", async () => {
    const sending = await machine("send");
    const working = await machine("worker");
    for (const { served, arrive, stores } of [sending, working]) {
      const known: string[] = [];
      const { advance } = stores.feed;
      stores.feed.advance = (consumer, position) => {
        known.push(`${consumer} ${position}`);
        return advance.call(stores.feed, consumer, position);
      };
      arrive.databases();
      arrive.broker();
      await served.start();
      expect(known[0]).toBe(stores === working.stores ? "notifier 0" : undefined);
    }
  });

  it("ends its engines last when it drains, the broker before the databases", async () => {
    const { served, arrive, url } = await machine("send,receive,group,worker");
    arrive.databases();
    arrive.broker();
    await served.start();
    await served.drain();
    expect(steps).toEqual(["drain broker", "drain databases", "stop broker", "stop databases"]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it("ends though its broker is gone in the moment in which it is left", async () => {
    const { served, arrive } = await machine("send", { brokerDrain: () => Promise.reject(new Error("gone")) });
    arrive.databases();
    arrive.broker();
    await served.start();
    await served.drain();
    expect(steps).toEqual(["drain databases", "stop broker", "stop databases"]);
  });

  it("ends also while it waits, and ends the engine that is there", async () => {
    const { served, arrive, url } = await machine("worker");
    const started = served.start();
    arrive.databases();
    await until(`${url}/readyz`, ({ body }) => body["detail"] === "This machine waits for NATS.");
    await served.drain();
    expect(await started).toBeUndefined();
    expect(steps).toEqual(["drain databases", "stop databases"]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it("whose port is taken says so before it waits for anything", async () => {
    const door = await openWaitingDoor({ host: "127.0.0.1", port: 0, waitingFor: () => [] });
    const { served } = await machine("worker", door);
    await expect(served.start()).rejects.toMatchObject({ code: "EADDRINUSE" });
    await door.close();
  });
});
