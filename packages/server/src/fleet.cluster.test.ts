import { freePort } from "@tidings/cluster/servers/free-ports.ts";
import { type NatsServer, startNats } from "@tidings/cluster/servers/nats-server.ts";
import { type PostgresServer, startPostgres, whyNoPostgres } from "@tidings/cluster/servers/postgres-server.ts";
import { withNats } from "@tidings/cluster/servers/testing/with-nats.ts";
import { type Entry, subprotocol } from "@tidings/protocol";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { WebSocket } from "ws";
import type { Finding } from "./doctor/finding.ts";
import { TestSocket } from "./testing/receive-rig.ts";
import { ServerProcess } from "./testing/server-process.ts";

const noPostgres = await whyNoPostgres();
if (noPostgres === undefined) await withNats("machines of a fleet as processes", register);
else test(`NOT TESTED: machines of a fleet as processes: ${noPostgres}`, () => undefined);

/** Longer than eight characters, so that it is looked for everywhere; PostgreSQL of a test asks for no password, but it is sent one. */
const password = "swordfish-swordfish";

function register(): void {
  let postgres: PostgresServer;
  let nats: NatsServer;
  let folder: string;
  let config: string;
  const processes: ServerProcess[] = [];

  beforeAll(async () => {
    [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
    folder = mkdtempSync(join(tmpdir(), "tidings-fleet-"));
    config = join(folder, "fleet.json");
    const url = withPassword(await postgres.createDatabase("fleet"));
    writeConfig({ "database-url-file": writeSecret("database-url", url) });
  }, 120_000);

  afterAll(async () => {
    for (const one of processes) one.kill("SIGKILL");
    await Promise.all(processes.map((one) => one.exited));
    await Promise.all([postgres?.stop(), nats?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const withPassword = (url: string): string => url.replace("tidings@", `tidings:${password}@`);

  function writeSecret(name: string, text: string): string {
    const file = join(folder, name);
    writeFileSync(file, `${text}\n`, { mode: 0o600 });
    return file;
  }

  function writeConfig(more: object): void {
    const content = {
      "nats-servers": [nats.url],
      "nats-monitor-urls": [nats.monitorUrl],
      "log-replicas": 1,
      partitions: 8,
      "log-bytes-max": 256 * 1024 ** 2,
      port: 0,
      "drain-ms": 0,
      "engine-retry-ms-max": 100,
      // A machine that is busy with other tests must not lose what it holds.
      "worker-lease-ms": 10_000,
      ...more,
    };
    writeFileSync(config, JSON.stringify(content));
  }

  function start(...args: string[]): ServerProcess {
    const server = new ServerProcess([...args, "--config", config]);
    processes.push(server);
    return server;
  }

  async function call(url: string, body?: object, token?: string): Promise<{ status: number; body: Json }> {
    const response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Json };
  }

  async function connect(url: string, token: string): Promise<TestSocket> {
    const webSocket = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, subprotocol);
    const socket = new TestSocket(webSocket);
    await new Promise((resolve, reject) => webSocket.once("open", resolve).once("error", reject));
    socket.send({ type: "hello", token, have: {} });
    await socket.next("welcome");
    return socket;
  }

  async function doctor(
    ...args: string[]
  ): Promise<{ code: number | null; findings: readonly Finding[]; all: string }> {
    const ran = start("doctor", "--json", ...args);
    const code = await ran.exited;
    expect(ran.log).toEqual([]);
    const { findings } = JSON.parse(ran.said.join("\n")) as { findings: Finding[] };
    return { code, findings, all: [...ran.said, ...ran.log].join("\n") };
  }

  describe("machines of a fleet as processes over real engines", { timeout: 120_000 }, () => {
    it("carry a message from one to a session at the other, and hand everything over when one drains", async () => {
      const serving = start("serve", "--roles", "send,group,worker");
      const holding = start("serve", "--roles", "receive,worker", "--log-level", "debug");
      const [doors, sockets] = await Promise.all([serving.listening(), holding.listening()]);
      const signUp = async (name: string): Promise<string> =>
        String((await call(`${doors}/v1/accounts`, { name, password: "correct horse battery" })).body["token"]);
      const [ann, ben] = [await signUp("ann"), await signUp("ben")];
      const made = await call(`${doors}/v1/groups`, { name: "Garden", visibility: "public" }, ann);
      const group = String(made.body["conversation"]);
      expect((await call(`${doors}/v1/groups/${group}/join`, {}, ben)).status).toBe(200);

      const socket = await connect(sockets, ben);
      const messages = `${doors}/v1/conversations/${group}/messages`;
      expect((await call(messages, { message_id: "m1", text: "The tomatoes are ripe" }, ann)).status).toBe(200);
      const delivered = await nextMessage(socket);
      expect(delivered).toMatchObject({ text: "The tomatoes are ripe" });
      // Asked at the one, answered with what the other knows.
      const explained = await call(`${doors}/operator/explain`, { user: "ben", message: "m1" });
      expect(explained.body).toMatchObject({ conclusion: { code: "written" } });

      for (const url of [doors, sockets]) expect((await call(`${url}/readyz`)).body).toEqual({ status: "ready" });
      const metrics = await (await fetch(`${sockets}/metrics`)).text();
      expect(metrics).toMatch(/^tidings_engine_up\{engine="databases"\} 1$/m);
      expect(metrics).toMatch(/^tidings_sessions 1$/m);

      holding.kill("SIGTERM");
      expect((await socket.closed).code).toBeGreaterThanOrEqual(1000);
      expect(await holding.exited).toBe(0);
      // Its partitions are the other's, which stores alone now.
      const second = { message_id: "m2", text: "Come soon" };
      expect((await call(messages, second, ann)).status).toBe(200);
      await until(async () => (await call(messages, second, ann)).body["seq"] === delivered.seq + 1);

      const lines = holding.log.map((line) => JSON.parse(line) as Json);
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) {
        expect(line).toMatchObject({ machine: expect.stringMatching(/^m_/), roles: ["receive", "worker"] });
      }
      serving.kill("SIGTERM");
      expect(await serving.exited).toBe(0);
      for (const one of [serving, holding]) expect([...one.log, ...one.said].join("\n")).not.toContain(password);
    });

    it("wait for engines that are not there, alive and not ready, until they are", async () => {
      await postgres.kill();
      const port = await freePort();
      const waiting = start("serve", "--port", String(port));
      const url = `http://127.0.0.1:${port}`;
      const first = await waiting.until(() => waiting.log.find((line) => line.includes("cannot be used yet")));
      expect(JSON.parse(first)).toMatchObject({ engine: "PostgreSQL", roles: ["send", "receive", "group", "worker"] });
      expect((await call(`${url}/healthz`)).status).toBe(200);
      await until(async () => String((await call(`${url}/readyz`)).body["detail"]).endsWith("waits for PostgreSQL."));
      await postgres.restart();
      expect(await waiting.listening()).toBe(url);
      expect((await call(`${url}/readyz`)).status).toBe(200);
      expect(waiting.log.join("\n")).not.toContain(password);
      waiting.kill("SIGTERM");
      expect(await waiting.exited).toBe(0);
    });

    it("are told what an acknowledgement is worth, and what does not fit, by the doctor", async () => {
      const sound = await doctor();
      expect(sound.findings.filter(({ level }) => level === "bad")).toEqual([]);
      expect(sound.code).toBe(0);
      expect(sound.findings).toContainEqual({
        level: "note",
        what: "an acknowledgement",
        says: expect.stringContaining("survives the loss of power of all machines"),
      });
      expect(sound.findings).toContainEqual(
        expect.objectContaining({
          level: "good",
          what: "partitions of the log",
          says: expect.stringMatching(/^8, in \d streams$/),
        }),
      );
      expect(sound.findings).toContainEqual(expect.objectContaining({ level: "good", what: "clock of PostgreSQL" }));
      const other = await doctor("--partitions=16", "--nats-monitor-urls=,");
      expect(other.code).toBe(1);
      expect(other.findings.filter(({ level }) => level === "bad").map(({ what }) => what)).toEqual([
        "partitions of the log",
      ]);
      expect(other.findings.find(({ what }) => what === "an acknowledgement")?.says).toContain("it is not known");
      expect(sound.all + other.all).not.toContain(password);
    });

    it("are told of an engine that does not answer, without its password", async () => {
      const nowhere = writeSecret("nowhere", `postgres://tidings:${password}@127.0.0.1:1/fleet`);
      const { code, findings, all } = await doctor("--database-url-file", nowhere);
      expect(code).toBe(1);
      expect(findings.find(({ what }) => what === "PostgreSQL")).toMatchObject({
        level: "bad",
        says: expect.stringContaining("could not be looked at"),
      });
      expect(findings.find(({ what }) => what === "an acknowledgement")).toBeDefined();
      expect(all).not.toContain(password);
    });

    it("have no backup of their own, and say so", async () => {
      const ran = start("backup", "--to", join(folder, "copy.db"));
      expect(await ran.exited).toBe(2);
      expect(ran.log[0]).toBe(
        "tidings: backup copies an embedded server's database; a fleet's is copied by PostgreSQL's tools.",
      );
    });
  });
}

type Json = Record<string, unknown>;

async function nextMessage(socket: TestSocket): Promise<Entry> {
  for (;;) {
    const { entries } = await socket.next("deliver");
    const message = entries.find(({ kind }) => kind === "message");
    if (message !== undefined) return message;
  }
}

async function until(isMet: () => Promise<boolean>): Promise<void> {
  while (!(await isMet()));
}
