/** WebSocket frames (RFC 6455 section 5.2) by hand: the load must cost less than what it measures. */

export const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** One fixed key: the server unmasks as it does for any other, and the load saves a random number a frame. */
const maskKey = [0x5a, 0x31, 0xc7, 0x0e] as const;

/** A masked frame as a client sends it. `ascii` has one byte a character. */
export function clientFrame(ascii: string, opcode: number = opcodes.text): Buffer {
  const payloadAt = (ascii.length < 126 ? 2 : ascii.length < 65_536 ? 4 : 10) + 4;
  const frame = Buffer.allocUnsafe(payloadAt + ascii.length);
  frame[0] = 0x80 | opcode;
  if (payloadAt === 6) frame[1] = 0x80 | ascii.length;
  else if (payloadAt === 8) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(ascii.length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(ascii.length), 2);
  }
  for (let index = 0; index < 4; index += 1) frame[payloadAt - 4 + index] = maskKey[index as 0 | 1 | 2 | 3];
  for (let index = 0; index < ascii.length; index += 1) {
    frame[payloadAt + index] = ascii.charCodeAt(index) ^ maskKey[(index & 3) as 0 | 1 | 2 | 3];
  }
  return frame;
}

/** Called for each whole frame; the bytes are valid during the call only. */
export type FrameHandler = (opcode: number, bytes: Buffer, start: number, end: number) => void;

/**
 * Cuts a stream of bytes from a server into frames, without a copy where a frame lies whole in one chunk.
 * Throws on what no server sends to this bench: masked or fragmented frames, and those over `frameBytesMax`.
 */
export class FrameReader {
  readonly #onFrame: FrameHandler;
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;

  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame;
  }

  /** Takes the first `length` bytes of `chunk`, which the caller may use again afterwards. */
  read(chunk: Buffer, length: number): void {
    let at = this.#heldBytes === 0 ? 0 : this.#completeHeld(chunk, length);
    while (at < length) {
      const size = frameSize(chunk, at, length);
      if (size === undefined || at + size > length) break;
      this.#emit(chunk, at, size);
      at += size;
    }
    if (at < length) this.#hold(chunk, at, length);
  }

  /** Adds to the frame that began in an earlier chunk; answers where the next frame begins. */
  #completeHeld(chunk: Buffer, length: number): number {
    let at = 0;
    while (at < length) {
      const size = frameSize(this.#held, 0, this.#heldBytes);
      // While the header is not whole, one byte at a time; from then on, all that belongs to the frame.
      const wanted = size === undefined ? 1 : size - this.#heldBytes;
      const end = Math.min(length, at + wanted);
      this.#hold(chunk, at, end);
      at = end;
      const known = frameSize(this.#held, 0, this.#heldBytes);
      if (known !== undefined && known === this.#heldBytes) {
        this.#heldBytes = 0;
        this.#emit(this.#held, 0, known);
        break;
      }
    }
    return at;
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const needed = this.#heldBytes + end - start;
    if (needed > this.#held.length) {
      const size = this.#heldBytes === 0 ? frameSize(chunk, start, end) : frameSize(this.#held, 0, this.#heldBytes);
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, size ?? headerBytesMax));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldBytes, start, end);
    this.#heldBytes = needed;
  }

  #emit(bytes: Buffer, at: number, size: number): void {
    const length = bytes.readUInt8(at + 1);
    const start = at + (length < 126 ? 2 : length === 126 ? 4 : 10);
    this.#onFrame(bytes.readUInt8(at) & 0x0f, bytes, start, at + size);
  }
}

const headerBytesMax = 10;
const frameBytesMax = 16 * 1024 * 1024;

/** The bytes of the frame at `at`, header included; undefined while its header is not whole. */
function frameSize(bytes: Buffer, at: number, end: number): number | undefined {
  if (end - at < 2) return undefined;
  const first = bytes.readUInt8(at);
  const length = bytes.readUInt8(at + 1);
  if ((first & 0xf0) !== 0x80) throw new Error("The server sent a fragmented or extended frame.");
  if (length >= 128) throw new Error("The server sent a masked frame.");
  if (length < 126) return 2 + length;
  if (length === 126) return end - at < 4 ? undefined : 4 + bytes.readUInt16BE(at + 2);
  if (end - at < headerBytesMax) return undefined;
  const size = Number(bytes.readBigUInt64BE(at + 2));
  if (size > frameBytesMax) throw new Error(`The server sent a frame of ${size} bytes.`);
  return headerBytesMax + size;
}
