import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { clientFrame, FrameReader, opcodes } from "./frames.ts";

export type RawSocketOptions = {
  readonly port: number;
  /** Path and query of the upgrade request. */
  readonly path: string;
  readonly subprotocol?: string;
  /** A text frame came: its bytes from start to end, valid during the call only. */
  readonly onText: (bytes: Buffer, start: number, end: number) => void;
  /** The connection is over, whoever ended it. Called once, and only after it was open. */
  readonly onClose?: (close: { code: number; reason: string }) => void;
};

/** A WebSocket client with nothing in it that costs time. Answers pings by itself. */
export type RawSocket = {
  /** Writes a frame made by `clientFrame`. Those of one turn, as answers to what came in one read, go out together. */
  readonly write: (frame: Buffer) => void;
  /** Ends the connection at once. */
  readonly destroy: () => void;
};

/** What another attempt may get over: a lost connection, or a refusal of the server, which may say when to come back. */
export class TryAgainError extends Error {
  override readonly name = "TryAgainError";
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** All sockets read into it: a chunk is used up before the next one is read. */
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);

const openTimeoutMs = 30_000;

/**
 * Connects over loopback. Rejects if the upgrade is refused, naming the answer, or takes longer than 30 s; with a TryAgainError
 * if the connection is lost before, or the answer is 429 or 503.
 */
export function openRawSocket(options: RawSocketOptions): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    let answer = "";
    let isOpen = false;
    let close = { code: 1006, reason: "" };
    const reader = new FrameReader((opcode, bytes, start, end) => {
      if (opcode === opcodes.text) options.onText(bytes, start, end);
      else if (opcode === opcodes.ping) socket.write(clientFrame(bytes.toString("latin1", start, end), opcodes.pong));
      else if (opcode === opcodes.close) {
        close = {
          code: end - start < 2 ? 1005 : bytes.readUInt16BE(start),
          reason: bytes.toString("utf8", start + 2, end),
        };
        socket.destroy();
      }
    });
    const onRead = (length: number, bytes: Buffer): boolean => {
      if (isOpen) {
        reader.read(bytes, length);
        return true;
      }
      const before = answer.length;
      answer += bytes.toString("latin1", 0, length);
      const headEnd = answer.indexOf("\r\n\r\n");
      if (headEnd === -1) return true;
      if (!answer.startsWith("HTTP/1.1 101 ")) {
        fail(refusalOf(answer));
        return true;
      }
      isOpen = true;
      clearTimeout(timer);
      resolve({ write, destroy: () => void socket.destroy() });
      const rest = Buffer.from(bytes.subarray(headEnd + 4 - before, length));
      // The caller must hold the socket before its first frame comes.
      if (rest.length > 0) queueMicrotask(() => reader.read(rest, rest.length));
      return true;
    };
    const socket: Socket = connect({
      port: options.port,
      host: "127.0.0.1",
      noDelay: true,
      onread: { buffer: readBuffer, callback: (length, bytes) => onRead(length, bytes as Buffer) },
    });
    let isCorked = false;
    const uncork = (): void => {
      isCorked = false;
      socket.uncork();
    };
    const write = (frame: Buffer): void => {
      if (!isCorked) {
        isCorked = true;
        socket.cork();
        process.nextTick(uncork);
      }
      socket.write(frame);
    };
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error("The server did not answer the upgrade in time.")), openTimeoutMs);
    socket.on("connect", () => socket.write(upgradeRequest(options)));
    // Once it is open, an error is followed by "close", which tells it.
    socket.on("error", (cause) =>
      isOpen ? undefined : fail(new TryAgainError(`No connection: ${cause.message}`, { cause })),
    );
    socket.on("close", () =>
      isOpen ? options.onClose?.(close) : fail(new TryAgainError("The server ended the connection.")),
    );
  });
}

function refusalOf(answer: string): Error {
  const sentence = `The upgrade was refused: ${answer.slice(0, 500)}`;
  if (!/^HTTP\/1\.1 (429|503) /.test(answer)) return new Error(sentence);
  const match = /"retry_after_ms":(\d+)/.exec(answer);
  return new TryAgainError(sentence, { retryAfterMs: match === null ? undefined : Number(match[1]) });
}

/** Tries for at most a minute, as often as it takes, and waits as long as the server says, or a little. Throws what ended it. */
export async function untilAdmitted<T>(open: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + 60_000;
  while (true) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof TryAgainError) || performance.now() > deadlineMs) throw error;
      await sleep(error.retryAfterMs ?? 100 + Math.random() * 400);
    }
  }
}

function upgradeRequest({ port, path, subprotocol }: RawSocketOptions): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGlkaW5ncy1iZW5jaC1rZQ==",
    ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    "\r\n",
  ].join("\r\n");
}

/** Runs `action` for 0 … count − 1, at most `parallel` at a time; answers in order. The first failure rejects. */
export async function inParallel<T>(
  { count, parallel }: { count: number; parallel: number },
  action: (index: number) => Promise<T>,
): Promise<T[]> {
  const results = new Array<T>(count);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) results[index] = await action(index);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, count) }, lane));
  return results;
}
