import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ConversationId, type ErrorCode, limits } from "@tidings/protocol";
import { encodeFrame, opcodes, RawSocket } from "./src/raw-socket.ts";
import { serveTests, type TestUser } from "./src/tidings-process.ts";

/** What a client can do wrong on a WebSocket. After each of these two ordinary clients still reach each other. */
const tidings = serveTests();

let user: TestUser;
let group: ConversationId;
let sockets: RawSocket[] = [];

beforeAll(async () => {
  user = await tidings().user();
  group = await tidings().group(user);
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
});

async function open(): Promise<RawSocket> {
  const socket = await RawSocket.open(tidings().port);
  sockets.push(socket);
  return socket;
}

/** A session of somebody who is alone in his group. */
async function openSession(): Promise<RawSocket> {
  const socket = await open();
  await socket.hello(user.token);
  return socket;
}

/** The session still takes messages. */
async function expectGoesOn(socket: RawSocket): Promise<void> {
  const { message_id } = sendOf({});
  socket.send(sendOf({ message_id }));
  expect((await socket.next("ack")).message_id).toBe(message_id);
}

let messages = 0;
const sendOf = (fields: Record<string, unknown>) => ({
  type: "send",
  conversation: group,
  message_id: `m-${++messages}`,
  text: "hello",
  ...fields,
});

const nested = (depth: number): string => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`;
describe("before the hello, the connection ends after", () => {
  const cases: readonly (readonly [string, string, ErrorCode])[] = [
    ["what is not JSON", "hello?", "invalid-json"],
    ["an empty frame", "", "invalid-json"],
    ["JSON that is no object", '["hello"]', "invalid-request"],
    ["100,000 brackets", "[".repeat(100_000), "invalid-json"],
    ["100,000 arrays in each other", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, "invalid-request"],
    ["a type that no frame has", '{"type":"shout"}', "unknown-type"],
    ["a type that every object has a property of", '{"type":"constructor"}', "unknown-type"],
    ["a hello without a token", '{"type":"hello","have":{}}', "invalid-request"],
    ["a token that is no text", '{"type":"hello","token":7,"have":{}}', "invalid-request"],
    ["a field that a hello does not have", '{"type":"hello","token":"t","have":{},"admin":true}', "invalid-request"],
    ["__proto__ in a hello", '{"type":"hello","token":"t","have":{},"__proto__":{"x":1}}', "invalid-request"],
    ["__proto__ as a conversation", '{"type":"hello","token":"t","have":{"__proto__":1}}', "invalid-request"],
    ["a cursor below zero", '{"type":"hello","token":"t","have":{"g_a":-1}}', "invalid-request"],
    ["a cursor between two numbers", '{"type":"hello","token":"t","have":{"g_a":1.5}}', "invalid-request"],
    ["a cursor beyond all numbers", '{"type":"hello","token":"t","have":{"g_a":1e999}}', "invalid-request"],
    ["a send", '{"type":"send","conversation":"g_a","message_id":"m","text":"hi"}', "hello-expected"],
    ["a sync", '{"type":"sync","request":1,"have":{}}', "hello-expected"],
  ];

  test.each(cases)("%s", async (_what, text, code) => {
    const socket = await open();
    socket.sendText(text);
    await socket.expectEnd(code);
  });

  test("a binary frame", async () => {
    const socket = await open();
    socket.write(encodeFrame({ opcode: 2, payload: Buffer.from('{"type":"hello","token":"t","have":{}}') }));
    await socket.expectEnd("binary-frame");
  });

  test("text that is not UTF-8", async () => {
    const socket = await open();
    socket.write(encodeFrame({ payload: Buffer.from('{"type":"hello","token":"\xff"}', "latin1") }));
    await socket.expectEnd("invalid-utf8");
  });

  test("a frame larger than a frame may be (G8)", async () => {
    const socket = await open();
    socket.sendText(JSON.stringify({ type: "hello", token: "t".repeat(limits.frameBytesMax), have: {} }));
    await socket.expectEnd("frame-too-large");
  });

  test("a second hello in the same packet as the first", async () => {
    const socket = await open();
    const hello = encodeFrame({ payload: Buffer.from(JSON.stringify({ type: "hello", token: user.token, have: {} })) });
    socket.write(Buffer.concat([hello, hello]));
    await socket.expectEnd("hello-expected");
  });
});

describe("a session goes on after", () => {
  const cases: readonly (readonly [string, string, ErrorCode])[] = [
    ["what is not JSON", '{"type":', "invalid-json"],
    ["JSON with something behind it", '{"type":"sync","request":1,"have":{}} {}', "invalid-json"],
    ["an unknown type", '{"type":"deliver"}', "unknown-type"],
    ["no type at all", '{"text":"hi"}', "unknown-type"],
    ["a type that is no text", '{"type":{"type":"send"}}', "unknown-type"],
    ["null", "null", "invalid-request"],
    ["a second hello", '{"type":"hello","token":"t","have":{}}', "hello-expected"],
    ["an unknown field", '{"type":"read","conversation":"g_a","seq":1,"seq2":2}', "invalid-request"],
    ["a conversation that cannot be one", '{"type":"read","conversation":"../g_a","seq":1}', "invalid-request"],
    ["a huge seq", '{"type":"read","conversation":"g_a","seq":9007199254740993}', "invalid-request"],
    ["metadata 20,000 deep", `{"type":"send","metadata":${nested(20_000)}}`, "too-deep"],
  ];

  test.each(cases)("%s", async (_what, text, code) => {
    const socket = await openSession();
    socket.sendText(text);
    await socket.expectError(code);
    await expectGoesOn(socket);
  });

  test("a binary frame", async () => {
    const socket = await openSession();
    socket.write(encodeFrame({ opcode: 2, payload: Buffer.alloc(100, 0xff) }));
    await socket.expectError("binary-frame");
    await expectGoesOn(socket);
  });

  const sends: readonly (readonly [string, Record<string, unknown>, ErrorCode])[] = [
    ["a text over 16 KiB", { text: "x".repeat(limits.textBytesMax + 1) }, "text-too-large"],
    [
      "a text over 16 KiB in fewer characters",
      { text: "\u{1f30a}".repeat(limits.textBytesMax / 4 + 1) },
      "text-too-large",
    ],
    ["an empty text", { text: "" }, "invalid-request"],
    ["a text with half a character", { text: "half \ud83c" }, "invalid-request"],
    ["metadata over 4 KiB", { metadata: { a: "x".repeat(limits.metadataBytesMax) } }, "metadata-too-large"],
    ["metadata over 4 KiB in fewer characters", { metadata: { a: "ü".repeat(2_100) } }, "metadata-too-large"],
    ["metadata nine deep", { metadata: JSON.parse(nested(limits.metadataDepthMax + 1)) }, "too-deep"],
    ["metadata that is a list", { metadata: [1] }, "invalid-request"],
    ["metadata with half a character in a name", { metadata: { "\ud83c": 1 } }, "invalid-request"],
    ["a message id that cannot be one", { message_id: "a b" }, "invalid-request"],
    [
      "51 mentions",
      { mentions: Array.from({ length: limits.mentionsMax + 1 }, (_, n) => `u_${n}`) },
      "invalid-request",
    ],
    ["the same mention twice", { mentions: ["u_a", "u_a"] }, "invalid-request"],
    ["a mention that is no text", { mentions: [{ user: "u_a" }] }, "invalid-request"],
    ["neither a conversation nor a user", { conversation: undefined }, "invalid-request"],
    ["both a conversation and a user", { to: "u_a" }, "invalid-request"],
    ["a user who does not exist", { conversation: undefined, to: "u_nobody" }, "user-not-found"],
    ["a conversation that does not exist", { conversation: "g_nowhere" }, "conversation-not-found"],
    ["a direct conversation of others", { conversation: "d_u_a~u_b" }, "conversation-not-found"],
  ];

  test.each(sends)("a send with %s, which names the message and settles its turn", async (_what, fields, code) => {
    const socket = await openSession();
    const [bad, good] = [sendOf({ turn: 1, ...fields }), sendOf({ turn: 2 })];
    socket.send(bad);
    socket.send(good);
    const isNamed = fields["message_id"] === undefined;
    await socket.expectError(code, { turn: 1, ...(isNamed ? { message_id: bad.message_id } : {}) });
    expect(await socket.next("ack")).toMatchObject({ message_id: good.message_id, turn: 2 });
  });

  test("a read marker beyond the head, which names the conversation", async () => {
    const socket = await openSession();
    socket.send({ type: "read", conversation: group, seq: 1_000_000 });
    await socket.expectError("seq-beyond-head", { conversation: group });
    await expectGoesOn(socket);
  });

  test("a sync with 1,001 conversations, which names the request; 1,000 are answered", async () => {
    const socket = await openSession();
    const have = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`d_${`u_${n}`.padEnd(64, "x")}~${user.id}`, n]));
    socket.send({ type: "sync", request: 7, have: have(limits.conversationsPerUserMax + 1) });
    await socket.expectError("invalid-request", { request: 7 });
    socket.send({ type: "sync", request: 8, have: have(limits.conversationsPerUserMax) });
    // The one without a number closes the hello.
    expect(await socket.next("synced")).not.toHaveProperty("request");
    expect(await socket.next("synced")).toMatchObject({ request: 8, conversations: [] });
  });
});

describe("a session ends", () => {
  test("with a frame that is not UTF-8", async () => {
    const socket = await openSession();
    const payload = Buffer.from(JSON.stringify(sendOf({ text: "\xff\xfe" })), "latin1");
    socket.write(encodeFrame({ payload }));
    await socket.expectEnd("invalid-utf8");
  });

  test("with a frame over 256 KiB, also one in pieces (G8)", async () => {
    const socket = await openSession();
    socket.send(sendOf({ metadata: { a: "x".repeat(limits.frameBytesMax) } }));
    await socket.expectEnd("frame-too-large");

    const again = await open();
    await again.hello(user.token);
    const piece = Buffer.alloc(64 * 1024, "x");
    again.write(encodeFrame({ payload: piece, fin: false }));
    for (let n = 0; n < 4; n += 1) again.write(encodeFrame({ opcode: 0, payload: piece, fin: n === 3 }));
    await again.expectEnd("frame-too-large");
  });

  test("after twenty bad frames, with the twenty-first (G8)", async () => {
    const socket = await openSession();
    for (let n = 0; n < 21; n += 1) socket.sendText("nonsense");
    for (let n = 0; n < 20; n += 1) await socket.expectError("invalid-json");
    await socket.expectEnd("too-many-errors");
  });

  const text = Buffer.from('{"type":"sync","request":1,"have":{}}');
  const broken: readonly (readonly [string, Buffer, number])[] = [
    ["a frame that is not masked", encodeFrame({ payload: text, masked: false }), 1002],
    ["a reserved bit", encodeFrame({ payload: text, reserved: 1 }), 1002],
    ["a compressed frame, which nobody agreed on", encodeFrame({ payload: text, reserved: 4 }), 1002],
    ["a reserved opcode", encodeFrame({ payload: text, opcode: 3 }), 1002],
    ["a reserved control opcode", encodeFrame({ payload: Buffer.alloc(0), opcode: 15 }), 1002],
    ["a continuation of nothing", encodeFrame({ payload: text, opcode: 0 }), 1002],
    ["a ping in pieces", encodeFrame({ payload: Buffer.from("p"), opcode: opcodes.ping, fin: false }), 1002],
    ["a ping over 125 bytes", encodeFrame({ payload: Buffer.alloc(126), opcode: opcodes.ping }), 1002],
    ["a close with half a code", encodeFrame({ payload: Buffer.from([3]), opcode: opcodes.close }), 1002],
    ["a close with a code that is none", encodeFrame({ payload: Buffer.from([0, 1]), opcode: opcodes.close }), 1002],
    [
      "a text that begins within a text",
      Buffer.concat([encodeFrame({ payload: text, fin: false }), encodeFrame({ payload: text })]),
      1002,
    ],
    [
      "a length beyond all memory",
      Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
      1009,
    ],
  ];

  test.each(broken)("with what RFC 6455 forbids: %s", async (_what, bytes, code) => {
    const socket = await openSession();
    socket.write(bytes);
    expect((await socket.closed).code).toBe(code);
  });
});

describe("is taken as it is:", () => {
  async function sendAndRead(fields: Record<string, unknown>) {
    const socket = await openSession();
    socket.send(sendOf(fields));
    await socket.next("ack");
    return await newestEntry();
  }

  async function newestEntry() {
    const line = `GET /v1/conversations/${group}/entries?limit=1`;
    return (await tidings().ask<{ entries: Record<string, unknown>[] }>(user, line)).entries[0];
  }

  test("a text of exactly 16 KiB, in characters of four bytes", async () => {
    const text = "\u{1f30a}".repeat(limits.textBytesMax / 4);
    expect(await sendAndRead({ text })).toMatchObject({ text });
  });

  test("a text with NUL, line separators and a byte order mark", async () => {
    const text = "a\0b\u2028c\ufeffd\u{10ffff}\r\n\u202e";
    expect(await sendAndRead({ text })).toMatchObject({ text });
  });

  test("metadata whose names mean something to JavaScript", async () => {
    const socket = await openSession();
    const metadata = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":"x"}';
    socket.sendText(JSON.stringify(sendOf({})).replace(/\}$/, `,"metadata":${metadata}}`));
    await socket.next("ack");
    const entry = await newestEntry();
    expect(JSON.stringify(entry?.["metadata"])).toBe(metadata);
  });

  test("a field that is there twice: the last one counts", async () => {
    const socket = await openSession();
    socket.sendText(JSON.stringify(sendOf({})).replace(/\}$/, ',"text":"second"}'));
    await socket.next("ack");
    expect(await newestEntry()).toMatchObject({ text: "second" });
  });

  test("a cursor beyond the head, which is as good as the head", async () => {
    const socket = await openSession();
    socket.send(sendOf({}));
    const { seq: head = 0 } = await socket.next("ack");
    const again = await open();
    await again.hello(user.token, { [group]: Number.MAX_SAFE_INTEGER });
    expect((await again.next("synced")).conversations).toMatchObject([{ status: "complete", head }]);
    socket.send(sendOf({}));
    expect(await again.next("deliver")).toMatchObject({ from_seq: head + 1 });
  });

  test("a hello in the same packet as the upgrade, and a send behind it", async () => {
    const { message_id } = sendOf({});
    const frames = [{ type: "hello", token: user.token, have: {} }, sendOf({ message_id })];
    const early = Buffer.concat(frames.map((frame) => encodeFrame({ payload: Buffer.from(JSON.stringify(frame)) })));
    const socket = await RawSocket.open(tidings().port, { early });
    sockets.push(socket);
    await socket.next("welcome");
    expect(await socket.next("ack")).toMatchObject({ message_id });
  });

  test("2,000 sends behind a hello, before its welcome: each is acknowledged, or refused for a while", async () => {
    const socket = await open();
    socket.send({ type: "hello", token: user.token, have: {} });
    const ids = Array.from({ length: 2_000 }, () => sendOf({}).message_id);
    for (const message_id of ids) socket.send(sendOf({ message_id }));
    const answered = new Set<string | undefined>();
    while (answered.size < ids.length) {
      const frame = await socket.next("ack", "error");
      if (frame.type === "error") expect(frame).toMatchObject({ code: "rate-limited", retryable: true });
      answered.add(frame.message_id);
    }
    expect(answered).toEqual(new Set(ids));
  });

  test("a message in many pieces, with a ping between them", async () => {
    const socket = await openSession();
    const frame = sendOf({ text: "in pieces \u{1f30a}" });
    const bytes = Buffer.from(JSON.stringify(frame));
    for (const [index, byte] of bytes.entries()) {
      const fin = index === bytes.length - 1;
      socket.write(encodeFrame({ opcode: index === 0 ? 1 : 0, payload: Buffer.from([byte]), fin }));
      if (index === 10) socket.write(encodeFrame({ opcode: opcodes.ping, payload: Buffer.from("?") }));
    }
    expect(await socket.next("ack")).toMatchObject({ message_id: frame.message_id });
  });
});
