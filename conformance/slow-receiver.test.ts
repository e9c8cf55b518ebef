import { connect } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { createClient } from "@tidings/client";
import { asMessageId, type ConversationId, type Entry, type ServerFrame } from "@tidings/protocol";
import { encodeFrame, opcodes, RawSocket } from "./src/raw-socket.ts";
import { serveTests, type TestUser } from "./src/tidings-process.ts";

/**
 * A client that does not read costs the server a bounded amount of memory, and nobody else anything (G8). What such a client would
 * cost a server that kept everything for it is several times the bound in each of these tests.
 */
const tidings = serveTests({
  flags: [
    ...["--messages-per-second", "1000000", "--messages-burst", "1000000"],
    ...["--requests-per-second", "1000000", "--requests-burst", "1000000"],
  ],
});
const megabyte = 1024 * 1024;
const messagesMax = 10_000;
/** So that all messages together are some 40 MB: more than what the kernel keeps for a connection, by far. */
const textBytes = 4_000;

let sender: TestUser;
let slow: TestUser;
let quick: TestUser;
let group: ConversationId;

beforeAll(async () => {
  [sender, slow, quick] = [await tidings().user(), await tidings().user(), await tidings().user()];
  group = await tidings().group(sender, slow, quick);
  // Whatever the server keeps for itself it has then.
  await sendMany(messagesMax / 2, "warm");
}, 60_000);

/** Resolves when all are acknowledged. */
async function sendMany(count: number, name: string): Promise<void> {
  const client = createClient({ url: tidings().url, token: sender.token, sendWindow: 64 });
  client.start();
  const text = "x".repeat(textBytes);
  await Promise.all(
    Array.from({ length: count }, (_, n) =>
      client.send({ conversation: group }, { message_id: asMessageId(`${name}-${n}`), text: `${n} ${text}` }),
    ),
  );
  await client.stop();
}

/** How much more the server has at any time during an action than before: memory in all, and what its buffers take of it. */
async function growthDuring(action: () => Promise<void>): Promise<{ resident: number; buffers: number }> {
  const look = async () => ({
    resident: tidings().residentBytes,
    buffers: await tidings().metric("nodejs_external_memory_bytes"),
  });
  const before = await look();
  const most = { ...before };
  let isOver = false;
  const watch = async (): Promise<void> => {
    do {
      const { resident, buffers } = await look();
      most.resident = Math.max(most.resident, resident);
      most.buffers = Math.max(most.buffers, buffers);
    } while (!isOver);
  };
  const done = action().finally(() => {
    isOver = true;
  });
  await Promise.all([done, watch()]);
  const growth = { resident: most.resident - before.resident, buffers: most.buffers - before.buffers };
  console.log(`The server grew by ${inMegabytes(growth.resident)}, its buffers by ${inMegabytes(growth.buffers)}.`);
  return growth;
}

const inMegabytes = (bytes: number): string => `${Math.round(bytes / megabyte)} MiB`;

/** Takes ranges as the protocol's one rule says, and syncs where something is missing. */
class Follower {
  readonly taken: Entry[] = [];
  cursor: number;
  readonly #socket: RawSocket;
  #syncs = 0;

  constructor(socket: RawSocket, cursor: number) {
    this.#socket = socket;
    this.cursor = cursor;
  }

  /** Resolves when everything up to an entry was taken. */
  async follow(seq: number): Promise<void> {
    while (this.cursor < seq) {
      const frame = await this.#socket.next("deliver", "heads", "synced");
      if (frame.type === "deliver") this.#take(frame);
      else if (frame.type === "heads" ? (frame.heads[group] ?? 0) > this.cursor : isTruncated(frame)) this.#sync();
    }
  }

  #take({ from_seq, entries }: Extract<ServerFrame, { type: "deliver" }>): void {
    if (from_seq > this.cursor + 1) {
      this.#sync();
      return;
    }
    for (const entry of entries) {
      if (entry.seq <= this.cursor) continue;
      expect(entry.seq).toBe(this.cursor + 1);
      this.cursor = entry.seq;
      this.taken.push(entry);
    }
  }

  #sync(): void {
    this.#syncs += 1;
    this.#socket.send({ type: "sync", request: this.#syncs, have: { [group]: this.cursor } });
  }
}

const isTruncated = (frame: Extract<ServerFrame, { type: "synced" }>): boolean =>
  frame.conversations.some(({ status }) => status === "truncated");

test("a receiver that stops reading while 10,000 messages pass gets them all when it reads on, and costs little (G8)", async () => {
  const [slowSocket, quickSocket] = [await RawSocket.open(tidings().port), await RawSocket.open(tidings().port)];
  const { conversations } = await slowSocket.hello(slow.token);
  const head = conversations[0]?.head ?? 0;
  await slowSocket.next("synced");
  await quickSocket.hello(quick.token);
  const [slowFollower, quickFollower] = [new Follower(slowSocket, head), new Follower(quickSocket, head)];
  const downgrades = await tidings().metric("tidings_downgrades_total");

  slowSocket.socket.pause();
  const growth = await growthDuring(async () => {
    await sendMany(messagesMax, "passing");
    // The other one has all of them while the slow one has not read on.
    await quickFollower.follow(head + messagesMax);
  });
  expect(growth.buffers).toBeLessThan(16 * megabyte);
  expect(growth.resident).toBeLessThan(256 * megabyte);
  expect(await tidings().metric("tidings_downgrades_total")).toBeGreaterThan(downgrades);

  slowSocket.socket.resume();
  await slowFollower.follow(head + messagesMax);
  for (const { taken } of [slowFollower, quickFollower]) {
    const names = taken.map((entry) => (entry.kind === "message" ? entry.message_id : entry.kind));
    expect(names).toEqual(Array.from({ length: messagesMax }, (_, n) => `passing-${n}`));
  }
  slowSocket.destroy();
  quickSocket.destroy();
}, 60_000);

describe("a client that does not read the answers is not listened to until it does (G8):", () => {
  test("400 syncs, which are answered with a megabyte each", async () => {
    const socket = await RawSocket.open(tidings().port);
    await socket.hello(slow.token);
    await socket.next("synced");
    socket.socket.pause();
    const growth = await growthDuring(async () => {
      for (let n = 1; n <= 400; n += 1) socket.send({ type: "sync", request: n, have: { [group]: n } });
      await quietRoundTrips();
    });
    expect(growth.resident).toBeLessThan(64 * megabyte);

    socket.socket.resume();
    const answered = new Set<number>();
    while (answered.size < 400) {
      socket.frames.splice(
        0,
        socket.frames.findIndex(({ type }) => type !== "deliver"),
      );
      const { request, ...frame } = await socket.next("synced", "error");
      if (frame.type === "error") expect(frame.code).toBe("rate-limited");
      answered.add(Number(request));
    }
    socket.destroy();
  });

  test("600,000 pings, which are answered with 75 megabytes", async () => {
    const socket = await RawSocket.open(tidings().port);
    await socket.hello(slow.token);
    await socket.next("synced");
    socket.socket.pause();
    const pings = Buffer.concat(
      Array.from({ length: 1_000 }, () => encodeFrame({ opcode: opcodes.ping, payload: Buffer.alloc(125) })),
    );
    const growth = await growthDuring(async () => {
      for (let n = 0; n < 600; n += 1) socket.write(pings);
      await quietRoundTrips();
    });
    expect(growth.resident).toBeLessThan(64 * megabyte);
    socket.destroy();
  });

  test("400 requests in one go, which are answered with a megabyte each", async () => {
    const socket = connect({ port: tidings().port, host: "127.0.0.1" });
    socket.on("error", () => socket.destroy());
    socket.pause();
    const body = JSON.stringify({ have: { [group]: 0 } });
    const head = `POST /v1/sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${slow.token}\r\n`;
    const request = `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const growth = await growthDuring(async () => {
      socket.write(request.repeat(400));
      await quietRoundTrips();
    });
    // Sixty-four are under way at most.
    expect(growth.resident).toBeLessThan(160 * megabyte);
    socket.destroy();
  });

  /** Others are answered meanwhile, so often that whatever the server had to do for the client it has done. */
  async function quietRoundTrips(): Promise<void> {
    for (let n = 0; n < 100; n += 1) await tidings().ask(quick, "GET /v1/conversations");
  }
});
