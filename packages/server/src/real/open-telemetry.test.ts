import { createMemoryFleet, createMemoryLinks } from "@tidings/engine-memory";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { composeFleetMachine } from "../compose-fleet.ts";
import { parseSettings } from "../settings.ts";
import { openTelemetry } from "./open-telemetry.ts";
import { createRealClock } from "./real-clock.ts";
import { createRealRandom } from "./real-random.ts";

type Attribute = { readonly key: string; readonly value: object };
type SpanOnTheWire = {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly Attribute[];
};

const clock = createRealClock();
const log = pino({ level: "silent" });
let collector: Server;
let bodies: string[];
let paths: string[];
let url: string;
beforeEach(async () => {
  bodies = [];
  paths = [];
  collector = createServer((request, response) => {
    paths.push(`${request.method} ${request.url}`);
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      bodies.push(Buffer.concat(pieces).toString("utf8"));
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  collector.listen(0, "127.0.0.1");
  await once(collector, "listening");
  url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
});
afterEach(() => {
  collector.close();
  collector.closeAllConnections();
});

function open(ratio: number, at = url) {
  return openTelemetry({ url: at, ratio, resource: { "service.name": "garden" }, clock, log });
}

function spans(): SpanOnTheWire[] {
  return bodies.flatMap((body) => {
    const { resourceSpans } = JSON.parse(body) as {
      resourceSpans: { scopeSpans: { spans: SpanOnTheWire[] }[] }[];
    };
    return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  });
}

describe("traces", () => {
  it("show a message's way through a machine of a fleet, and nothing of what it says or who says it", async () => {
    const tracing = open(1, `${url}/`);
    const { stores, fleet } = createMemoryFleet({ clock, partitions: 2 });
    const machine = await composeFleetMachine({
      stores,
      fleet,
      links: createMemoryLinks({ clock }),
      settings: parseSettings(["--port", "0", "--drain-ms", "0"], {}),
      clock,
      random: createRealRandom(),
      log,
      tracing,
    });
    const { url: machineUrl } = await machine.start();
    const post = async (path: string, body: object, token?: string): Promise<Record<string, unknown>> => {
      const response = await fetch(`${machineUrl}${path}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(body),
      });
      return (await response.json()) as Record<string, unknown>;
    };
    const token = String((await post("/v1/accounts", { name: "ann", password: "correct horse battery" }))["token"]);
    const group = { name: "Garden", visibility: "public" };
    const conversation = String((await post("/v1/groups", group, token))["conversation"]);
    const path = `/v1/conversations/${conversation}/messages`;
    await post(path, { message_id: "m1", text: "The tomatoes are ripe" }, token);
    await post("/v1/conversations/g_0/messages", { message_id: "m2", text: "The tomatoes are ripe" }, token);
    await machine.drain();
    await tracing.stop();

    expect(new Set(paths)).toEqual(new Set(["POST /v1/traces"]));
    const seen = spans();
    const request = seen.filter(({ name, attributes }) => name === "request" && has(attributes, "sendMessage"));
    const sends = seen.filter(({ name }) => name === "send");
    expect(request).toHaveLength(2);
    expect(sends).toHaveLength(2);
    // Each send is a part of its request; what holds the messages of many is part of none.
    expect(sends.map(({ traceId, parentSpanId }) => [traceId, parentSpanId]).sort()).toEqual(
      request.map(({ traceId, spanId }) => [traceId, spanId]).sort(),
    );
    expect(sends.filter(({ attributes }) => has(attributes, "conversation-not-found"))).toHaveLength(1);
    for (const name of ["log append", "apply"] as const) {
      const own = seen.filter((span) => span.name === name);
      expect(own.length, name).toBeGreaterThan(0);
      expect(own.filter(({ parentSpanId }) => parentSpanId !== undefined)).toEqual([]);
    }
    const all = bodies.join("\n");
    expect(all).toContain("garden");
    for (const secret of ["tomatoes", token, "correct horse", conversation]) expect(all).not.toContain(secret);
  });

  it("are as many as the share that is asked for", async () => {
    const none = open(0);
    for (let count = 0; count < 100; count += 1) none.begin("send", {}).end();
    await none.stop();
    expect(spans()).toEqual([]);
    const half = open(0.5);
    for (let count = 0; count < 400; count += 1) half.begin("send", {}).end();
    await half.stop();
    expect(spans().length).toBeGreaterThan(100);
    expect(spans().length).toBeLessThan(300);
  });

  it("of one piece of work are together kept or left out", async () => {
    const tracing = open(0.5);
    for (let count = 0; count < 200; count += 1) {
      const request = tracing.begin("request", {});
      request.within(() => tracing.begin("send", {}).end());
      request.end();
    }
    await tracing.stop();
    const byTrace = Map.groupBy(spans(), ({ traceId }) => traceId);
    expect(byTrace.size).toBeGreaterThan(0);
    expect([...byTrace.values()].filter((ofOne) => ofOne.length !== 2)).toEqual([]);
  });

  it("do not keep a server alive whose collector is away", async () => {
    const tracing = open(1, "http://127.0.0.1:1");
    tracing.begin("send", {}).end();
    const beganMs = clock.monotonicMs();
    await tracing.stop();
    expect(clock.monotonicMs() - beganMs).toBeLessThan(6_000);
  });
});

function has(attributes: readonly Attribute[], value: string): boolean {
  return attributes.some((one) => JSON.stringify(one.value).includes(`"${value}"`));
}
