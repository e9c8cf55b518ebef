import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Balancer,
  type Behind,
  findHaproxy,
  findNginx,
  mainFile,
  nginxArguments,
  startHaproxy,
  startNginx,
} from "./testing/balancers.ts";
import { fileOfDeploy } from "./testing/file-of-deploy.ts";
import { type LittleMachine, type Seen, startLittleMachine } from "./testing/little-machine.ts";
import { outcomeOf } from "./testing/program.ts";
import { withPrograms } from "./testing/with-programs.ts";

type Kind = { readonly name: string; readonly start: (behind: Behind) => Promise<Balancer> };

await withPrograms("HAProxy's sample configuration", [findHaproxy], () => {
  describeBalancer({ name: "HAProxy", start: startHaproxy });
});
await withPrograms("nginx' sample configuration", [findNginx], () => {
  describeBalancer({ name: "nginx", start: startNginx });
  test("the list of machines that nginx's sample begins with is one that nginx takes", checkUpstreamsSample);
});

function describeBalancer({ name: kind, start }: Kind): void {
  describe(`${kind} with its sample configuration`, () => {
    let send: LittleMachine[] = [];
    let receive: LittleMachine[] = [];
    let balancer: Balancer;

    beforeAll(async () => {
      send = await Promise.all(["send-1", "send-2"].map(startLittleMachine));
      receive = await Promise.all(["receive-1", "receive-2", "receive-3"].map(startLittleMachine));
      const ports = (machines: LittleMachine[]): number[] => machines.map((machine) => machine.port);
      balancer = await start({
        sendPorts: ports(send) as [number, number],
        receivePorts: ports(receive) as [number, number, number],
      });
    });
    afterAll(async () => {
      await balancer?.stop();
      await Promise.all([...send, ...receive].map((machine) => machine.stop()));
    });

    const ask = async (method: string, path: string, init: RequestInit = {}): Promise<Seen> =>
      (await (await fetch(balancer.url + path, { ...init, method })).json()) as Seen;

    test.each([
      ["GET", "/v1/conversations/g_1/entries"],
      ["GET", "/v1/conversations/g_1/entries?after=7&limit=50"],
    ])("%s %s goes to a machine that receives", async (method, path) => {
      const seen = await ask(method, path);
      expect(seen.machine).toMatch(/^receive-/);
      expect(seen).toMatchObject({ method, path });
    });

    test.each([
      ["POST", "/v1/conversations/g_1/messages"],
      ["POST", "/v1/users/u_1/messages"],
      ["GET", "/v1/conversations"],
      ["GET", "/v1/conversations/g_1"],
      ["GET", "/v1/conversations/g_1/entries/more"],
      ["GET", "/v1/conversations/g_1/x/entries"],
      ["PUT", "/v1/conversations/g_1/read"],
      ["POST", "/v1/groups"],
      ["DELETE", "/v1/groups/g_1/bans/u_1"],
      ["GET", "/v1/sockets"],
      ["GET", "/v1/syncs"],
    ])("%s %s goes to a machine that sends", async (method, path) => {
      const seen = await ask(method, path);
      expect(seen.machine).toMatch(/^send-/);
      expect(seen).toMatchObject({ method, path });
    });

    test("requests go to all machines of their kind in turn", async () => {
      const asked = new Set<string>();
      for (let count = 0; count < 4; count += 1) asked.add((await ask("GET", "/v1/groups")).machine);
      expect([...asked].sort()).toEqual(["send-1", "send-2"]);
    });

    test("the machine learns who the client is, also from a client that claims to be somebody else", async () => {
      const { headers } = await ask("GET", "/v1/me", {
        headers: { "x-forwarded-for": "192.0.2.7", authorization: "Bearer t" },
      });
      expect(headers["x-forwarded-for"]?.split(/, ?/)).toEqual(["192.0.2.7", "127.0.0.1"]);
      expect(headers).toMatchObject({ host: new URL(balancer.url).host, authorization: "Bearer t" });
    });

    test("a body of the largest size that the protocol takes comes through", async () => {
      const body = "x".repeat(256 * 1024);
      expect((await ask("POST", "/v1/conversations/g_1/messages", { body })).body).toBe(body);
    });

    test("a WebSocket is opened at a machine that receives, with its subprotocol", async () => {
      const { greeting, protocol } = await greetingOf(balancer);
      expect(greeting.machine).toMatch(/^receive-/);
      expect(protocol).toBe("tidings.v1");
      expect(greeting.headers["x-forwarded-for"]).toBe("127.0.0.1");
    });

    test("what a long poll answers goes out as it comes", async () => {
      const answer = await fetch(`${balancer.url}/v1/sync`, { method: "POST", body: "{}" });
      const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
      const first = (await reader.read()).value ?? "";
      expect(first).toMatch(/^\{"machine":"receive-/);
      expect(() => JSON.parse(first)).toThrow();
      for (const machine of receive) machine.finishAnswers();
      let text = first;
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
      expect(JSON.parse(text)).toMatchObject({ path: "/v1/sync" });
    });

    test("a message that a machine took before it died is not sent to another one", async () => {
      for (const machine of send) machine.hangsUp = true;
      const sent = fetch(`${balancer.url}/v1/users/u_1/messages`, { method: "POST", body: "only once" });
      // HAProxy hangs up in its turn where it had used the connection before: the client knows as little as it does.
      const outcome = await sent.then(
        ({ status }) => status,
        () => "hung up",
      );
      for (const machine of send) machine.hangsUp = false;
      expect([502, "hung up"]).toContain(outcome);
      expect(send.flatMap((machine) => machine.seen).filter((seen) => seen.body === "only once")).toHaveLength(1);
    });

    if (kind === "nginx") {
      test("a sync, which changes nothing, is asked of another machine", async () => {
        for (const machine of receive.slice(0, 2)) machine.hangsUp = true;
        const answer = await fetch(`${balancer.url}/v1/sync`, { method: "POST", body: "again" });
        for (const machine of receive) machine.finishAnswers();
        expect((await answer.json()) as Seen).toMatchObject({ body: "again" });
        for (const machine of receive) machine.hangsUp = false;
      });

      test("metrics are not for clients", async () => {
        expect((await fetch(`${balancer.url}/metrics`)).status).toBe(404);
      });
    }

    if (kind === "HAProxy") {
      test("a machine that says that it is not ready is asked nothing more", async () => {
        const [leaving] = send as [LittleMachine];
        leaving.ready = false;
        // It is found out by the next checks; from then on, more requests in a row than there are machines go to the other one.
        for (let row = 0; row < 20; ) row = (await ask("GET", "/v1/me")).machine === "send-2" ? row + 1 : 0;
        leaving.ready = true;
        for (let name = ""; name !== "send-1"; ) name = (await ask("GET", "/v1/me")).machine;
      });
    }

    test("with a machine of each kind dead, every request and every WebSocket finds another one", async () => {
      await Promise.all([send[0]?.stop(), receive[0]?.stop()]);
      for (let count = 0; count < 8; count += 1) {
        expect((await ask("GET", "/v1/me")).machine).toBe("send-2");
        expect((await ask("POST", "/v1/groups", { body: "{}" })).machine).toBe("send-2");
        expect((await ask("GET", "/v1/conversations/g_1/entries")).machine).toMatch(/^receive-[23]$/);
        expect((await greetingOf(balancer)).greeting.machine).toMatch(/^receive-[23]$/);
      }
    });
  });
}

async function checkUpstreamsSample(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidings-nginx-"));
  for (const file of ["tidings.conf", "tidings-upstreams.conf"]) {
    await copyFile(fileOfDeploy(`nginx/${file}`), join(folder, file));
  }
  await writeFile(join(folder, "tidings-listen.conf"), `listen unix:${folder}/socket;\n`);
  await writeFile(join(folder, "nginx.conf"), mainFile(folder));
  const { code, output } = await outcomeOf(await findNginx(), ["-t", ...nginxArguments(folder)]);
  await rm(folder, { recursive: true });
  expect(output).toMatch(/test is successful/);
  expect(output).not.toMatch(/warn|emerg/);
  expect(code).toBe(0);
}

async function greetingOf(balancer: Balancer): Promise<{ greeting: Seen; protocol: string }> {
  const webSocket = new WebSocket(`${balancer.url.replace("http", "ws")}/v1/socket`, ["tidings.v1"]);
  const text = await new Promise<string>((resolve, reject) => {
    webSocket.addEventListener("message", ({ data }) => resolve(String(data)), { once: true });
    webSocket.addEventListener("error", () => reject(new Error("No WebSocket was opened.")), { once: true });
  });
  const { protocol } = webSocket;
  webSocket.close();
  return { greeting: JSON.parse(text) as Seen, protocol };
}
