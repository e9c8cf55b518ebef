import { connect } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { type ConversationId, type ErrorCode, limits } from "@tidings/protocol";
import { parseAnswer, RawSocket, UpgradeRefused, type UpgradeOptions } from "./src/raw-socket.ts";
import { type Answer, expectProblem, serveTests, type TestUser } from "./src/tidings-process.ts";

/** What a client can do wrong over HTTP. After each of these two ordinary clients still reach each other. */
const tidings = serveTests();

let user: TestUser;
let group: ConversationId;
let messages = 0;

beforeAll(async () => {
  user = await tidings().user();
  group = await tidings().group(user);
});

const messageOf = (fields: Record<string, unknown>) => ({ message_id: `m-${++messages}`, text: "hello", ...fields });
const sendRaw = (body: unknown, headers = {}): Promise<Answer> =>
  tidings().request(user, `POST /v1/conversations/${group}/messages`, { body, headers });
const send = (fields: Record<string, unknown>): Promise<Answer> => sendRaw(messageOf(fields));
const nested = (depth: number): unknown => (depth === 1 ? {} : { a: nested(depth - 1) });

describe("a body is refused that", () => {
  const bodies: readonly (readonly [string, string | Uint8Array, ErrorCode])[] = [
    ["is not JSON", "hello", "invalid-json"],
    ["ends too early", '{"message_id":"m","text":"hel', "invalid-json"],
    ["is no object", '"hello"', "invalid-request"],
    ["is null", "null", "invalid-request"],
    ["is not UTF-8", Buffer.from('{"message_id":"m","text":"\xe9t\xe9"}', "latin1"), "invalid-utf8"],
    ["is cut within a character", Buffer.from('{"message_id":"m","text":"\u{1f30a}').subarray(0, -1), "invalid-utf8"],
    ["nests 100,000 arrays", "[".repeat(100_000), "too-deep"],
    ["nests 20,000 objects", `${'{"metadata":'.repeat(20_000)}`, "too-deep"],
    ["holds __proto__", '{"message_id":"m","text":"hi","__proto__":{"admin":true}}', "invalid-request"],
    ["holds constructor", '{"message_id":"m","text":"hi","constructor":{"prototype":{}}}', "invalid-request"],
  ];

  test.each(bodies)("%s", async (_what, body, code) => {
    expectProblem(await sendRaw(body), code);
  });

  const fields: readonly (readonly [string, Record<string, unknown>, ErrorCode])[] = [
    ["has no text", { text: undefined }, "invalid-request"],
    ["has a text that is none", { text: ["hello"] }, "invalid-request"],
    ["has half a character in its text", { text: "half \udf0a" }, "invalid-request"],
    ["has a field too many", { seq: 1 }, "invalid-request"],
    ["has a text over 16 KiB", { text: "x".repeat(limits.textBytesMax + 1) }, "text-too-large"],
    ["has a text over 16 KiB in fewer characters", { text: "€".repeat(limits.textBytesMax / 3 + 1) }, "text-too-large"],
    ["has metadata over 4 KiB", { metadata: { a: "x".repeat(limits.metadataBytesMax) } }, "metadata-too-large"],
    ["has metadata nine deep", { metadata: nested(limits.metadataDepthMax + 1) }, "too-deep"],
    ["is larger than a body may be", { metadata: { a: "x".repeat(limits.bodyBytesMax) } }, "body-too-large"],
  ];

  test.each(fields)("%s", async (_what, extra, code) => {
    expectProblem(await send(extra), code);
  });

  test("is larger than a body may be, and does not say so before (G8)", async () => {
    const chunk = Buffer.alloc(64 * 1024, " ");
    const answer = await exchange([
      `POST /v1/conversations/${group}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.token}\r\n`,
      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
      ...Array.from({ length: 5 }, () => `${chunk.length.toString(16)}\r\n${chunk}\r\n`),
    ]);
    expectProblem(answer, "body-too-large");
  });

  test("announces 100 GB: nobody waits for them (G8)", async () => {
    const answer = await exchange([
      `POST /v1/conversations/${group}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.token}\r\n`,
      "Content-Type: application/json\r\nContent-Length: 100000000000\r\n\r\n{",
    ]);
    expectProblem(answer, "body-too-large");
  });

  test("is of another media type, or says nothing of it", async () => {
    const type = "application/x-www-form-urlencoded";
    expectProblem(await sendRaw("text=hello", { "content-type": type }), "unsupported-media-type");
    expectProblem(await sendRaw(Buffer.from("{}"), { "content-type": "" }), "unsupported-media-type");
  });

  test("names more conversations in a sync than a user can have; as many as he can are answered", async () => {
    const have = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`g_${n}`, 0]));
    const tooMany = await tidings().request(user, "POST /v1/sync", {
      body: { have: have(limits.conversationsPerUserMax + 1) },
    });
    expectProblem(tooMany, "invalid-request");
    const answer = await tidings().ask(user, "POST /v1/sync", { have: have(limits.conversationsPerUserMax) });
    expect(answer).toMatchObject({ conversations: [{ conversation: group, status: "new" }] });
  });
});

describe("a request is refused that", () => {
  const lines: readonly (readonly [string, string, ErrorCode])[] = [
    ["goes to a path that is none", "GET /v1/nowhere", "not-found"],
    ["climbs out of the paths", "GET /v1/groups/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "invalid-request"],
    ["has a method that the path does not take", "DELETE /v1/groups", "method-not-allowed"],
    ["asks for an account with GET", "GET /v1/accounts", "method-not-allowed"],
    ["names a conversation that cannot be one", "GET /v1/groups/g_UPPER", "invalid-request"],
    ["names a conversation that does not exist", "GET /v1/groups/g_nowhere", "conversation-not-found"],
    ["has a query that is none of the operation's", "GET /v1/groups?page=2", "invalid-request"],
    ["has __proto__ in its query", "GET /v1/groups?__proto__=1", "invalid-request"],
    ["has a path over all limits", `GET /v1/groups/g_${"a".repeat(1_000)}`, "not-found"],
    ["has an escape that is none", "GET /v1/groups/%zz", "bad-http"],
    ["wants a WebSocket without an upgrade", "GET /v1/socket", "unsupported-protocol"],
  ];

  test.each(lines)("%s", async (_what, line, code) => {
    expectProblem(await tidings().request(user, line), code);
  });

  test("asks for a page before the beginning, beyond all numbers, or of a size that is none", async () => {
    for (const query of [
      "after=-1",
      "after=9007199254740993",
      "after=1e3",
      "before=0",
      "limit=0",
      "limit=201",
      "limit=1&limit=2",
      "limit=x",
    ]) {
      const answer = await tidings().request(user, `GET /v1/conversations/${group}/entries?${query}`);
      expectProblem(answer, "invalid-request");
    }
    const beyond = `GET /v1/conversations/${group}/entries?after=${Number.MAX_SAFE_INTEGER}`;
    expect(await tidings().ask(user, beyond)).toMatchObject({ entries: [] });
  });

  test("moves a read marker beyond the head, or to where no entry is", async () => {
    const markRead = (seq: unknown) =>
      tidings().request(user, `PUT /v1/conversations/${group}/read`, { body: { seq } });
    expectProblem(await markRead(1_000_000), "seq-beyond-head");
    for (const seq of [-1, 0.5, 2 ** 53, "1", null]) expectProblem(await markRead(seq), "invalid-request");
  });

  test("has larger headers than we read (G8)", async () => {
    const answer = await exchange([
      `GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(limits.headerBytesMax)}\r\n\r\n`,
    ]);
    expectProblem(answer, "headers-too-large");
  });

  test.each([
    ["is not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["speaks of two lengths", "POST /v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"],
    [
      "hides a request behind two ways to say where it ends",
      "POST /v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
    ],
    ["has no host", "GET /v1/me HTTP/1.1\r\n\r\n"],
  ])("%s", async (_what, text) => {
    expectProblem(await exchange([text]), "bad-http");
  });
});

describe("a token in a URL is refused,", () => {
  const urls = ["token=", "access_token=", "q=1&token="].map((query) => `?${query}`);

  test.each(urls)("over HTTP: %s", async (query) => {
    const answer = await tidings().request(user, `GET /v1/me${query}${user.token}`);
    expectProblem(answer, "token-in-url");
    expect(answer.text).not.toContain(user.token);
  });

  test("also in a path", async () => {
    expectProblem(await tidings().request(undefined, `GET /v1/${user.token}`), "token-in-url");
  });

  test.each(urls)("on the way to a WebSocket: %s", async (query) => {
    await expectUpgradeRefused({ path: `/v1/socket${query}${user.token}` }, "token-in-url");
  });
});

describe("a browser page of another origin", () => {
  const foreign = ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost:1"];

  test.each(foreign)("is refused over HTTP: %s", async (origin) => {
    const answer = await tidings().request(user, "GET /v1/me", { headers: { origin } });
    expectProblem(answer, "origin-not-allowed");
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });

  test.each(foreign)("gets no WebSocket: %s", async (origin) => {
    await expectUpgradeRefused({ headers: { origin } }, "origin-not-allowed");
  });

  test("is refused also with the name that it had its own name lead here by", async () => {
    const host = `evil.example:${tidings().port}`;
    await expectUpgradeRefused({ headers: { host, origin: `http://${host}` } }, "origin-not-allowed");
  });

  test("is told apart from one of this server, which is let in", async () => {
    const origin = tidings().url;
    expect((await tidings().request(user, "GET /v1/me", { headers: { origin } })).status).toBe(200);
    (await RawSocket.open(tidings().port, { headers: { origin } })).destroy();
  });
});

describe("an upgrade is refused", () => {
  const cases: readonly (readonly [string, UpgradeOptions, ErrorCode])[] = [
    ["without a subprotocol", { headers: { "sec-websocket-protocol": null } }, "unsupported-protocol"],
    ["to a later subprotocol", { headers: { "sec-websocket-protocol": "tidings.v2" } }, "unsupported-protocol"],
    ["to a subprotocol that is none", { headers: { "sec-websocket-protocol": "tidings.v1,,tidings.v1" } }, "bad-http"],
    ["at another path", { path: "/v1/me" }, "not-found"],
    ["without a key", { headers: { "sec-websocket-key": null } }, "bad-http"],
    ["with a key that is none", { headers: { "sec-websocket-key": "abc" } }, "bad-http"],
    ["of an older version of WebSocket", { headers: { "sec-websocket-version": "7" } }, "bad-http"],
  ];

  test.each(cases)("%s", async (_what, options, code) => {
    await expectUpgradeRefused(options, code);
  });

  test("and the connection is over, also if the client stays (G8)", async () => {
    const socket = connect({ port: tidings().port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => socket.destroy());
    const over = new Promise((resolve) => socket.once("close", resolve));
    socket.write("GET /v1/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    socket.resume();
    // We do not end our half. That the server has ended the whole connection shows when our bytes come back as an error.
    const drip = setInterval(() => socket.write("."), 100);
    await over;
    clearInterval(drip);
  });

  test("and a client that leaves at that moment harms nobody", async () => {
    for (let n = 0; n < 50; n += 1) {
      const socket = connect({ port: tidings().port, host: "127.0.0.1" });
      await new Promise((resolve) => socket.once("connect", resolve));
      const over = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", () => socket.destroy());
      socket.write("GET /v1/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      socket.write("x".repeat(1_000), () => socket.resetAndDestroy());
      await over;
    }
  });
});

describe("is taken as it is:", () => {
  test("a request that offers another protocol, as some HTTP clients do by themselves", async () => {
    const answer = await exchange([
      `GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.token}\r\nConnection: Upgrade, close\r\n`,
      "Upgrade: h2c\r\n\r\n",
    ]);
    expect(answer).toMatchObject({ status: 200, json: { user_id: user.id } });
  });

  test("metadata whose names mean something to JavaScript, and nothing else gets them", async () => {
    const metadata = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
    const { message_id } = messageOf({});
    const answer = await sendRaw(`{"message_id":"${message_id}","text":"hi","metadata":${metadata}}`);
    expect(answer.status).toBe(200);
    const { text } = await tidings().request(user, `GET /v1/conversations/${group}/entries?limit=1`);
    expect(text).toContain(`"metadata":${metadata}`);
    expect((await tidings().request(user, "GET /v1/me")).json).not.toHaveProperty("polluted");
  });

  test("a field that is there twice: the last one counts", async () => {
    const { message_id } = messageOf({});
    await sendRaw(`{"message_id":"${message_id}","text":"one","text":"two"}`);
    const { text } = await tidings().request(user, `GET /v1/conversations/${group}/entries?limit=1`);
    expect(text).toContain('"text":"two"');
    expect(text).not.toContain('"one"');
  });

  test("a text with NUL and one of exactly 16 KiB", async () => {
    for (const text of ["\0", "€".repeat(limits.textBytesMax / 3).padEnd(limits.textBytesMax / 3 + 1, "x")]) {
      expect((await send({ text })).status).toBe(200);
      const page = await tidings().ask(user, `GET /v1/conversations/${group}/entries?limit=1`);
      expect(page).toMatchObject({ entries: [{ text }] });
    }
  });
});

async function expectUpgradeRefused(options: UpgradeOptions, code: ErrorCode): Promise<void> {
  const refusal = await RawSocket.open(tidings().port, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(refusal instanceof UpgradeRefused)) throw new Error("The upgrade was not refused.", { cause: refusal });
  expectProblem(refusal, code);
}

/** Writes bytes as they are, and reads all that comes until the server ends the connection. */
async function exchange(pieces: readonly string[]): Promise<ReturnType<typeof parseAnswer>> {
  const socket = connect({ port: tidings().port, host: "127.0.0.1" });
  for (const piece of pieces) socket.write(piece, "latin1");
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return parseAnswer(Buffer.concat(chunks).toString("utf8"));
}
