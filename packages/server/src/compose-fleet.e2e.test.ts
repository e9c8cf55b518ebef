import { subprotocol } from "@tidings/protocol";
import { createMemoryFleet, createMemoryLinks } from "@tidings/engine-memory";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { composeFleetMachine } from "./compose-fleet.ts";
import { createRealClock } from "./real/real-clock.ts";
import { createRealRandom } from "./real/real-random.ts";
import type { Tidings } from "./serving.ts";
import { parseSettings } from "./settings.ts";
import { TestSocket } from "./testing/receive-rig.ts";

const clock = createRealClock();
const machines: Tidings[] = [];
let doors: string;
let sockets: string;

async function machine(roles: string): Promise<string> {
  const tidings = await composeFleetMachine({
    ...shared,
    settings: parseSettings(["--port", "0", "--roles", roles, "--drain-ms", "0"], {}),
    clock,
    random: createRealRandom(),
    log: pino({ level: "silent" }),
    storeCounts: () => ({ commits: 0, appends: 0, waiting: 0 }),
  });
  machines.push(tidings);
  return (await tidings.start()).url;
}

const shared = { ...createMemoryFleet({ clock, partitions: 4 }), links: createMemoryLinks({ clock }) };

beforeAll(async () => {
  await machine("worker");
  doors = await machine("send,group");
  sockets = await machine("receive");
});
afterAll(async () => {
  for (const one of machines) await one.stop();
});

type Answer = { status: number; body: Record<string, unknown> };

async function call(
  url: string,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: object } = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

async function signUp(name: string): Promise<string> {
  const { body } = await call(doors, "POST", "/v1/accounts", { body: { name, password: "correct horse battery" } });
  return String(body["token"]);
}

async function connect(token: string): Promise<TestSocket> {
  const webSocket = new WebSocket(`${sockets.replace("http", "ws")}/v1/socket`, subprotocol);
  const socket = new TestSocket(webSocket);
  await new Promise((resolve, reject) => webSocket.once("open", resolve).once("error", reject));
  socket.send({ type: "hello", token, have: {} });
  await socket.next("welcome");
  return socket;
}

describe("a fleet of machines with roles", () => {
  it("carries a message from the machine that takes it to the one that holds the socket, and answers a retry with its seq", async () => {
    const [ann, ben] = [await signUp("ann"), await signUp("ben")];
    const made = await call(doors, "POST", "/v1/groups", {
      token: ann,
      body: { name: "Garden", visibility: "public" },
    });
    const group = String(made.body["conversation"]);
    expect((await call(doors, "POST", `/v1/groups/${group}/join`, { token: ben })).status).toBe(200);
    const socket = await connect(ben);
    const message = { token: ann, body: { message_id: "m1", text: "The tomatoes are ripe" } };
    const first = await call(doors, "POST", `/v1/conversations/${group}/messages`, message);
    expect(first.status).toBe(200);
    const { entries } = await socket.next("deliver");
    expect(entries.at(-1)).toMatchObject({ kind: "message", text: "The tomatoes are ripe" });
    const again = await call(doors, "POST", `/v1/conversations/${group}/messages`, message);
    expect(again.body["seq"]).toBe(entries.at(-1)?.seq);
    socket.webSocket.terminate();
  });

  it("refuses at a machine what is another one's role", async () => {
    const cleo = await signUp("cleo");
    const sync = await call(doors, "POST", "/v1/sync", { token: cleo, body: { have: {} } });
    expect(sync.body).toMatchObject({ status: 404, code: "not-found", detail: "This machine has no role receive." });
    const create = { token: cleo, body: { name: "Shed", visibility: "public" } };
    expect((await call(sockets, "POST", "/v1/groups", create)).body).toMatchObject({ code: "not-found" });
    await expect(
      new Promise((_resolve, reject) => {
        new WebSocket(`${doors.replace("http", "ws")}/v1/socket`, subprotocol).once("error", reject);
      }),
    ).rejects.toThrow();
  });

  it("is ready at every machine, and counts its partitions at the worker", async () => {
    for (const url of [doors, sockets]) expect((await call(url, "GET", "/readyz")).body).toEqual({ status: "ready" });
  });

  it("ends the sessions of a token that is revoked at another machine", async () => {
    const dan = await signUp("dan");
    const socket = await connect(dan);
    const { body } = await call(doors, "GET", "/v1/tokens", { token: dan });
    const [own] = body["items"] as { token_id: string }[];
    await call(doors, "DELETE", `/v1/tokens/${own?.token_id ?? ""}`, { token: dan });
    expect((await socket.closed).code).toBe(4401);
  });
});
