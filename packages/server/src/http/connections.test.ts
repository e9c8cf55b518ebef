import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { limits, type Problem, problemSchema, validator } from "@tidings/protocol";
import { type HttpRig, openHttpRig, type Person } from "../testing/http-rig.ts";

/** What happens on connections themselves: real sockets, byte by byte. */

let rig: HttpRig;
let port: number;
let ann: Person;
const open = new Set<Socket>();

beforeAll(async () => {
  rig = await openHttpRig({
    flags: ["--headers-timeout-ms=400", "--request-timeout-ms=800", "--pending-connections-per-address=8"],
  });
  await rig.app.listen({ host: "127.0.0.1", port: 0 });
  port = (rig.app.server.address() as AddressInfo).port;
  ann = await rig.signUp("ann");
});
afterEach(() => {
  for (const socket of open) socket.destroy();
  open.clear();
});
afterAll(() => rig.close());

async function dial(): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  open.add(socket);
  await once(socket, "connect");
  return socket;
}

/** All that the server says until it ends the connection. */
async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("utf8");
  });
  // A reset after the answer is also an end.
  socket.on("error", () => socket.destroy());
  await once(socket, "close");
  return text;
}

function parse(text: string): { status: number; headers: string; problem: Problem } {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  return {
    status: Number(head.split(" ")[1]),
    headers: head.toLowerCase(),
    problem: validator(problemSchema)(JSON.parse(body)),
  };
}

async function answerTo(bytes: string | Buffer): Promise<ReturnType<typeof parse>> {
  const socket = await dial();
  socket.write(bytes);
  return parse(await readAll(socket));
}

function headOfPost(length: string): string {
  const headers = ["Host: x", `Authorization: Bearer ${ann.token}`, "Content-Type: application/json", length];
  return ["POST /v1/groups HTTP/1.1", ...headers, "", ""].join("\r\n");
}

/** Writes the text a byte at a time, as soon as each was taken, but never faster than the timer. */
function drip(socket: Socket, text: string, everyMs: number): void {
  let index = 0;
  const timer = setInterval(() => {
    if (index === text.length || socket.destroyed || socket.writableEnded) clearInterval(timer);
    else socket.write(text[index++] ?? "");
  }, everyMs);
  socket.on("close", () => clearInterval(timer));
}

describe("a connection", () => {
  it("whose headers come a byte at a time is told so and cut", async () => {
    const socket = await dial();
    drip(socket, `GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ${"a".repeat(1_000)}`, 50);
    const { status, problem, headers } = parse(await readAll(socket));
    expect([status, problem.code]).toEqual([408, "request-timeout"]);
    expect(headers).toContain("connection: close");
  });

  it("whose body comes a byte at a time is told so and cut", async () => {
    const socket = await dial();
    socket.write(headOfPost("Content-Length: 1000"));
    drip(socket, "a".repeat(1_000), 50);
    const { status, problem } = parse(await readAll(socket));
    expect([status, problem.code]).toEqual([408, "request-timeout"]);
  });

  it("that says nothing at all is cut", async () => {
    const socket = await dial();
    expect(parse(await readAll(socket)).problem.code).toBe("request-timeout");
  });

  it("with too large headers is told so", async () => {
    const reply = await answerTo(
      `GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Large: ${"a".repeat(limits.headerBytesMax)}\r\n\r\n`,
    );
    expect([reply.status, reply.problem.code]).toEqual([431, "headers-too-large"]);
  });

  it.each([
    ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello over TLS\r\n\r\n"],
    ["two lengths", "POST /v1/groups HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"],
    [
      "a length and chunks",
      "POST /v1/groups HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a broken header", "GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n"],
  ])("with %s is told so", async (_what, bytes) => {
    const reply = await answerTo(Buffer.from(bytes, "latin1"));
    expect([reply.status, reply.problem.code]).toEqual([400, "bad-http"]);
  });

  it("with a body that grows too large on the way is told so and cut", async () => {
    const socket = await dial();
    const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
    socket.write(headOfPost("Transfer-Encoding: chunked"));
    for (let sent = 0; sent <= limits.bodyBytesMax; sent += 0x10000) socket.write(chunk);
    expect(parse(await readAll(socket)).problem.code).toBe("body-too-large");
  });

  it("is one of a few of its address as long as it shows no token", async () => {
    const sockets = await Promise.all(Array.from({ length: 8 }, dial));
    const refused = parse(await readAll(await dial()));
    expect([refused.status, refused.problem.code]).toEqual([429, "too-many-connections"]);
    expect(refused.headers).toContain("retry-after: 1");

    const [first] = sockets as [Socket];
    first.write(`GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.token}\r\n\r\n`);
    const [bytes] = (await once(first, "data")) as [Buffer];
    expect(bytes.toString()).toContain("200 OK");
    const next = await dial();
    next.write("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(await readAll(next)).toContain("200 OK");
  });
});

describe("whatever came before", () => {
  it("the server serves on", async () => {
    const reply = await fetch(`http://127.0.0.1:${port}/v1/me`, { headers: { authorization: `Bearer ${ann.token}` } });
    expect(reply.status).toBe(200);
  });
});
