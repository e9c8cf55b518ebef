import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { type ErrorCode, errorCatalogue, type ServerFrame, subprotocol } from "@tidings/protocol";
import { FrameReader, opcodes } from "../../bench/src/load/frames.ts";

export { opcodes };

/**
 * A WebSocket client made by hand, because it has to do what no library lets one do: send broken frames, stop reading, leave
 * without a word. Frames that come are kept until a test asks for them.
 */
export class RawSocket {
  readonly socket: Socket;
  /** The close code and reason that the server sent (1006 if none), once the connection is over. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Those that came and were not asked for yet. */
  readonly frames: ServerFrame[] = [];
  #close = { code: 1006, reason: "" };
  #isClosed = false;
  #waiting: (() => void)[] = [];

  /** Connects and upgrades. Rejects with an `UpgradeRefused` if the server answers anything but 101. */
  static async open(port: number, options: UpgradeOptions = {}): Promise<RawSocket> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.write(Buffer.concat([Buffer.from(upgradeRequest(port, options)), options.early ?? Buffer.alloc(0)]));
    const { head, rest } = await readHead(socket);
    if (!head.startsWith("HTTP/1.1 101 ")) throw await UpgradeRefused.read(socket, head, rest);
    return new RawSocket(socket, rest);
  }

  private constructor(socket: Socket, rest: Buffer) {
    this.socket = socket;
    const reader = new FrameReader((opcode, bytes, start, end) => this.#take(opcode, bytes.subarray(start, end)));
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve(this.#close);
      });
    });
    // An error is followed by "close", which tells it.
    socket.on("error", () => socket.destroy());
    reader.read(rest, rest.length);
    socket.on("data", (chunk) => reader.read(chunk, chunk.length));
    socket.resume();
  }

  /** Sends a value as one text frame of JSON. */
  send(frame: unknown): void {
    this.sendText(JSON.stringify(frame));
  }

  sendText(text: string): void {
    this.write(encodeFrame({ payload: Buffer.from(text) }));
  }

  /** Bytes as they are. */
  write(bytes: Buffer): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** Says hello and waits for the welcome. */
  async hello(
    token: string,
    have: Readonly<Record<string, number>> = {},
  ): Promise<Extract<ServerFrame, { type: "welcome" }>> {
    this.send({ type: "hello", token, have });
    return await this.next("welcome");
  }

  /**
   * The first frame of these types, or of any if none is named, that was not asked for before; waits for it. Rejects when the
   * connection ends without one.
   */
  async next<T extends ServerFrame["type"]>(...types: readonly T[]): Promise<Extract<ServerFrame, { type: T }>> {
    for (;;) {
      const index = this.frames.findIndex(
        ({ type }) => types.length === 0 || (types as readonly string[]).includes(type),
      );
      if (index !== -1) return this.frames.splice(index, 1)[0] as Extract<ServerFrame, { type: T }>;
      if (this.#isClosed) {
        const rest = JSON.stringify(this.frames).slice(0, 500);
        throw new Error(`The connection ended (${this.#close.code}) before a ${types.join(" or ")} came: ${rest}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Asserts that the next error has a code of the catalogue, and that the session goes on. */
  async expectError(code: ErrorCode, about: Record<string, unknown> = {}): Promise<void> {
    const { retryable } = errorCatalogue[code];
    expect(await this.next("error")).toMatchObject({ code, retryable, ...about });
  }

  /** Asserts that the session ends: with an error of the catalogue, and with the close code that stands there. */
  async expectEnd(code: ErrorCode, closeCode = closeCodeOf(code)): Promise<void> {
    await this.expectError(code);
    expect((await this.closed).code).toBe(closeCode);
  }

  /** Leaves without a word. */
  destroy(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.text) {
      this.frames.push(JSON.parse(payload.toString("utf8")) as ServerFrame);
      this.#wake();
    } else if (opcode === opcodes.ping) {
      this.write(encodeFrame({ opcode: opcodes.pong, payload }));
    } else if (opcode === opcodes.close) {
      if (payload.length >= 2) this.#close = { code: payload.readUInt16BE(0), reason: payload.toString("utf8", 2) };
      this.write(encodeFrame({ opcode: opcodes.close, payload: payload.subarray(0, 2) }));
    }
  }
}

/** Where the catalogue has no close code, a session that has to end anyway is told 4400: do not come back with that. */
const closeCodeOf = (code: ErrorCode): number => {
  const entry = errorCatalogue[code];
  return "close" in entry ? entry.close : 4400;
};

export type UpgradeOptions = {
  /** `/v1/socket` unless told. */
  readonly path?: string;
  /** Besides those of the upgrade, or instead of them; null leaves one of them out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Bytes to send before the upgrade is answered. */
  readonly early?: Buffer;
};

export function upgradeRequest(port: number, { path = "/v1/socket", headers = {} }: UpgradeOptions = {}): string {
  const all: Record<string, string | null> = {
    host: `127.0.0.1:${port}`,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    "sec-websocket-protocol": subprotocol,
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  return [`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

/** The server answered an upgrade with something else. */
export class UpgradeRefused extends Error {
  readonly status: number;
  readonly headers: Headers;
  readonly json: unknown;

  /** Reads the rest of the answer; the server ends the connection behind it. */
  static async read(socket: Socket, head: string, rest: Buffer): Promise<UpgradeRefused> {
    const chunks = [rest];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return new UpgradeRefused(`${head}\r\n\r\n${Buffer.concat(chunks)}`);
  }

  private constructor(text: string) {
    super(`The upgrade was refused: ${text}`);
    const { status, headers, json } = parseAnswer(text);
    this.status = status;
    this.headers = headers;
    this.json = json;
  }
}

/** An answer of HTTP as it stands on the wire, with a JSON body and nothing behind it. */
export function parseAnswer(text: string): { status: number; headers: Headers; json: unknown } {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  return {
    status: Number(first.split(" ")[1]),
    headers: new Headers(lines.map((line) => line.split(/: */, 2) as [string, string])),
    json: JSON.parse(body),
  };
}

/** Reads up to the blank line behind the headers of an answer. */
function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const settle = (): void => {
      socket.off("data", read).off("error", fail).off("close", fail);
    };
    const fail = (cause?: unknown): void => {
      settle();
      reject(new Error(`The connection ended before an answer: ${bytes}`, { cause }));
    };
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf("\r\n\r\n");
      if (end === -1) return;
      settle();
      socket.pause();
      resolve({ head: bytes.toString("latin1", 0, end), rest: bytes.subarray(end + 4) });
    };
    socket.on("data", read).on("error", fail).on("close", fail);
  });
}

export type FrameParts = {
  readonly payload: Buffer;
  /** Text unless told. */
  readonly opcode?: number;
  readonly fin?: boolean;
  /** The three reserved bits, as a number of 0 to 7. */
  readonly reserved?: number;
  readonly masked?: boolean;
};

/** A frame of RFC 6455, 5.2, also one that breaks its rules. */
export function encodeFrame({ payload, opcode = opcodes.text, fin = true, reserved = 0, masked = true }: FrameParts) {
  const { length } = payload;
  const header = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  header[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  header[1] = (masked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([header, payload]);
  const key = Buffer.from([0x11, 0xa2, 0x33, 0xc4]);
  const maskedPayload = Buffer.from(payload);
  for (let index = 0; index < length; index += 1) {
    maskedPayload[index] = (payload[index] as number) ^ (key[index & 3] as number);
  }
  return Buffer.concat([header, key, maskedPayload]);
}
