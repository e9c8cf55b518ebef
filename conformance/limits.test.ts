import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { ConversationId, ErrorCode } from "@tidings/protocol";
import { parseAnswer, RawSocket, UpgradeRefused } from "./src/raw-socket.ts";
import { expectProblem, serveTests, type TestUser } from "./src/tidings-process.ts";

/** What is bounded in time and number (G8). After each refusal two ordinary clients still reach each other. */
const opened: (RawSocket | Socket)[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.destroy();
});

async function open(port: number): Promise<RawSocket> {
  const socket = await RawSocket.open(port);
  opened.push(socket);
  return socket;
}

async function connectTo(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  opened.push(socket);
  // What comes back, or that nothing can be written any more, is what the tests look at.
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Everything that the server answers until it ends the connection. */
async function readToEnd(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  await once(socket, "close");
  return text;
}

describe("in time", () => {
  const headersTimeoutMs = 2_500;
  const requestTimeoutMs = 4_000;
  const helloTimeoutMs = 1_500;
  // The server looks once a second, a quarter of the time-out here, and lingers half a second; the rest is for a busy machine.
  const toleranceMs = 4_000;
  const tidings = serveTests({
    flags: [
      ...["--headers-timeout-ms", String(headersTimeoutMs), "--request-timeout-ms", String(requestTimeoutMs)],
      ...["--hello-timeout-ms", String(helloTimeoutMs)],
    ],
  });

  /** The connection is answered and cut in time, though bytes go on coming. */
  async function expectCut(head: string, drip: { byte: string; everyMs: number }, timeoutMs: number): Promise<void> {
    const socket = await connectTo(tidings().port);
    const beganMs = performance.now();
    socket.write(head);
    const dripping = setInterval(() => socket.write(drip.byte), drip.everyMs);
    const answer = parseAnswer(await readToEnd(socket));
    clearInterval(dripping);
    const tookMs = performance.now() - beganMs;
    expectProblem(answer, "request-timeout");
    expect(tookMs).toBeGreaterThan(timeoutMs * 0.9);
    expect(tookMs).toBeLessThan(timeoutMs + toleranceMs);
  }

  test("headers must arrive: a header sent a byte a second is answered 408 and cut", async () => {
    await expectCut("GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ", { byte: "x", everyMs: 1_000 }, headersTimeoutMs);
  });

  test("a connection must say something", async () => {
    await expectCut("", { byte: "", everyMs: 1_000 }, headersTimeoutMs);
  });

  test("a body must end: one sent a byte every tenth of a second is answered 408 and cut", async () => {
    const { token } = await tidings().user();
    const head = `POST /v1/groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
    await expectCut(`${head}Content-Length: 10000\r\n\r\n{`, { byte: " ", everyMs: 100 }, requestTimeoutMs);
  });

  test("a socket must say hello", async () => {
    const socket = await open(tidings().port);
    await socket.expectEnd("hello-timeout");
  });

  test("a socket must say hello: a frame that comes byte by byte is none", async () => {
    const socket = await open(tidings().port);
    socket.write(Buffer.from([0x81, 0xfe, 0x01, 0x00, 0, 0, 0, 0]));
    const dripping = setInterval(() => socket.write(Buffer.from(" ")), 100);
    await socket.expectEnd("hello-timeout");
    clearInterval(dripping);
  });
});

describe("of one user,", () => {
  const sessionsPerUser = 3;
  const messagesBurst = 20;
  const requestsBurst = 30;
  const requestsUnderWay = 4;
  const tidings = serveTests({
    flags: [
      ...["--sessions-per-user", String(sessionsPerUser), "--login-attempts-per-minute", "5"],
      ...["--requests-under-way-per-user", String(requestsUnderWay)],
      ...["--messages-per-second", "1", "--messages-burst", String(messagesBurst)],
      ...["--requests-per-second", "1", "--requests-burst", String(requestsBurst)],
    ],
  });

  async function openSession(): Promise<{ user: TestUser; group: ConversationId; socket: RawSocket }> {
    const user = await tidings().user();
    const group = await tidings().group(user);
    const socket = await open(tidings().port);
    await socket.hello(user.token);
    await socket.next("synced");
    return { user, group, socket };
  }

  test("no more sessions than he may have; one that ends makes room", async () => {
    const { user, socket: first } = await openSession();
    for (let n = 1; n < sessionsPerUser; n += 1) await (await open(tidings().port)).hello(user.token);
    const tooMany = await open(tidings().port);
    tooMany.send({ type: "hello", token: user.token, have: {} });
    await tooMany.expectEnd("too-many-sessions");

    first.destroy();
    await expect.poll(() => tidings().metric("tidings_sessions")).toBe(2 + sessionsPerUser - 1);
    await (await open(tidings().port)).hello(user.token);
  });

  test("no more messages than he may send: each one is acknowledged and stored, or refused and not", async () => {
    const { user, group, socket } = await openSession();
    const sent = 3 * messagesBurst;
    for (let n = 1; n <= sent; n += 1) {
      socket.send({ type: "send", conversation: group, message_id: `m-${n}`, text: "hi" });
    }
    const acked = new Set<string>();
    const refused = new Set<string>();
    while (acked.size + refused.size < sent) {
      const frame = await socket.next("ack", "error");
      if (frame.type === "ack") acked.add(frame.message_id);
      else {
        expect(frame).toMatchObject({ code: "rate-limited", retryable: true });
        expect(frame.retry_after_ms).toBeGreaterThan(0);
        refused.add(String(frame.message_id));
      }
    }
    expect(acked.size).toBeGreaterThanOrEqual(messagesBurst);
    expect(refused.size).toBeGreaterThan(0);
    const page = await tidings().ask<{ entries: { message_id?: string }[] }>(
      user,
      `GET /v1/conversations/${group}/entries?limit=200`,
    );
    expect(page.entries.flatMap(({ message_id }) => message_id ?? [])).toEqual([...acked]);

    const body = { message_id: "over-http", text: "hi" };
    const answer = await tidings().request(user, `POST /v1/conversations/${group}/messages`, { body });
    expectProblem(answer, "rate-limited");
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("no more requests and syncs than he may make; others are not held up", async () => {
    const { user, socket } = await openSession();
    for (let n = 1; n <= 3 * requestsBurst; n += 1) socket.send({ type: "sync", request: n, have: {} });
    let answers = 0;
    for (let n = 1; n <= 3 * requestsBurst; n += 1) {
      const frame = await socket.next("synced", "error");
      if (frame.type === "synced") answers += 1;
      else expect(frame).toMatchObject({ code: "rate-limited", request: expect.any(Number) });
    }
    expect(answers).toBeGreaterThan(0);
    expectProblem(await tidings().request(user, "GET /v1/me"), "rate-limited");
    expect((await tidings().request(await tidings().user(), "GET /v1/me")).status).toBe(200);
  });

  test("no more requests that are answered at the same time; one that ends makes room", async () => {
    const user = await tidings().user();
    const leave = new AbortController();
    const poll = (signal: AbortSignal | null) =>
      fetch(`${tidings().url}/v1/sync`, {
        method: "POST",
        headers: { authorization: `Bearer ${user.token}`, "content-type": "application/json" },
        body: JSON.stringify({ have: {}, wait_ms: 20_000 }),
        signal,
      });
    const waiting = Array.from({ length: requestsUnderWay }, () => poll(leave.signal));
    const left = Promise.allSettled(waiting);
    await expect.poll(() => tidings().metric("tidings_waiting_polls")).toBe(requestsUnderWay);
    expectProblem(await tidings().request(user, "GET /v1/me"), "rate-limited");
    leave.abort();
    await left;
    await expect.poll(async () => (await tidings().request(user, "GET /v1/me")).status).toBe(200);
  });

  test("no more attempts at his password than a person needs, also with the right one", async () => {
    const { name } = await tidings().user();
    const logIn = (password: string) => tidings().request(undefined, "POST /v1/tokens", { body: { name, password } });
    const codes: unknown[] = [];
    for (let n = 0; n < 8; n += 1) codes.push(((await logIn("a wrong password")).json as { code: ErrorCode }).code);
    expect(new Set(codes)).toEqual(new Set(["credentials-wrong", "too-many-attempts"]));
    expectProblem(await logIn("a password of the suite"), "too-many-attempts");
  });
});

describe("of one machine or address,", () => {
  const pendingMax = 8;
  const sessionsMax = 12;
  const attemptsMax = 1_000;
  const tidings = serveTests({
    flags: [
      ...["--pending-connections-per-address", String(pendingMax), "--sessions-max", String(sessionsMax)],
      ...["--logins-per-second", "2", "--resumes-per-second", "400"],
    ],
  });

  /** Opens until one is refused. */
  async function openUntilRefused(): Promise<UpgradeRefused> {
    for (let n = 0; n <= sessionsMax; n += 1) {
      try {
        await open(tidings().port);
      } catch (error) {
        if (error instanceof UpgradeRefused) return error;
        throw error;
      }
    }
    throw new Error("Nothing was refused.");
  }

  /** What the test before opened ends in the server's own time. */
  async function openWhenThereIsRoom(): Promise<Awaited<ReturnType<typeof open>>> {
    for (let n = 0; n < attemptsMax; n += 1) {
      try {
        return await open(tidings().port);
      } catch (error) {
        if (!(error instanceof UpgradeRefused)) throw error;
      }
    }
    throw new Error("There was no room for a connection.");
  }

  async function userWhenThereIsRoom(): Promise<Awaited<ReturnType<ReturnType<typeof tidings>["user"]>>> {
    for (let n = 0; n < attemptsMax; n += 1) {
      try {
        return await tidings().user();
      } catch (error) {
        if (!String(error).includes("too-many-connections")) throw error;
      }
    }
    throw new Error("There was no room for a request.");
  }

  test("no more connections that say nothing", async () => {
    const sockets = await Promise.all(Array.from({ length: pendingMax + 1 }, () => connectTo(tidings().port)));
    const answer = await Promise.race(sockets.map(readToEnd));
    expectProblem(parseAnswer(answer), "too-many-connections");
  });

  test("no more sockets that say no hello; sessions do not count", async () => {
    const refusal = await openUntilRefused();
    expectProblem(refusal, "too-many-connections");
    expect(Number(refusal.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("no more sessions than the machine may have", async () => {
    const user = await userWhenThereIsRoom();
    for (let n = 2; n < sessionsMax; n += 1) {
      const socket = await openWhenThereIsRoom();
      socket.send({ type: "hello", token: user.token, have: {}, resume: true });
      await socket.next("welcome");
    }
    expectProblem(await openUntilRefused(), "busy");
  });

  test("no more first sessions in a second than are admitted; who was here before is", async () => {
    const user = await userWhenThereIsRoom();
    const sockets = await Promise.all(Array.from({ length: 7 }, openWhenThereIsRoom));
    for (const socket of sockets) socket.send({ type: "hello", token: user.token, have: {} });
    const outcomes = await Promise.all(
      sockets.map(async (socket) => {
        const frame = await socket.next("welcome", "error");
        if (frame.type === "welcome") return "welcome";
        expect(frame).toMatchObject({ code: "busy", retryable: true });
        expect(frame.retry_after_ms).toBeGreaterThan(0);
        expect((await socket.closed).code).toBe(4503);
        return "busy";
      }),
    );
    expect(outcomes).toContain("busy");
    const back = await openWhenThereIsRoom();
    back.send({ type: "hello", token: user.token, have: {}, resume: true });
    await back.next("welcome");
  });
});
