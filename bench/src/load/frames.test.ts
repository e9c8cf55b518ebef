import { expect, test } from "vitest";
import { clientFrame, FrameReader, opcodes } from "./frames.ts";

const sizes = [0, 1, 125, 126, 230, 65_535, 65_536, 100_000];

test.each(sizes)("a client's frame of %i bytes is masked, and gives its text back", (size) => {
  const text = "tide".repeat(size).slice(0, size);
  const frame = clientFrame(text);
  expect(frame[0]).toBe(0x81);
  const length = frame.readUInt8(1);
  expect(length & 0x80).toBe(0x80);
  const headerBytes = (length & 0x7f) < 126 ? 2 : (length & 0x7f) === 126 ? 4 : 10;
  const mask = frame.subarray(headerBytes, headerBytes + 4);
  const payload = frame.subarray(headerBytes + 4).map((byte, index) => byte ^ mask.readUInt8(index & 3));
  expect(Buffer.from(payload).toString("latin1")).toBe(text);
});

test("a pong carries its opcode", () => {
  expect(clientFrame("x", opcodes.pong)[0]).toBe(0x8a);
});

test.each([1, 2, 3, 7, 64, 1_000, 65_536, 1_000_000])("frames are cut right from chunks of %i bytes", (chunkBytes) => {
  const texts = sizes.map((size, index) => String(index).repeat(size));
  const stream = Buffer.concat(texts.map(serverFrame));
  const read: string[] = [];
  const reader = new FrameReader((opcode, bytes, start, end) => {
    expect(opcode).toBe(opcodes.text);
    read.push(bytes.toString("latin1", start, end));
  });
  // As sockets do, every chunk comes in the same buffer.
  const shared = Buffer.alloc(chunkBytes);
  for (let at = 0; at < stream.length; at += chunkBytes) {
    const length = stream.copy(shared, 0, at, Math.min(stream.length, at + chunkBytes));
    reader.read(shared, length);
  }
  expect(read.map((text) => text.length)).toEqual(sizes);
  expect(read).toEqual(texts);
});

test("what no server sends to the bench is refused", () => {
  const read = (bytes: Buffer): void => new FrameReader(() => undefined).read(bytes, bytes.length);
  expect(() => read(Buffer.from([0x01, 0x01, 0x61]))).toThrow("fragmented");
  expect(() => read(clientFrame("masked"))).toThrow("masked");
  expect(() => read(Buffer.from([0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]))).toThrow("frame of");
});

function serverFrame(text: string): Buffer {
  const header = text.length < 126 ? Buffer.alloc(2) : text.length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  header[0] = 0x81;
  header[1] = header.length === 2 ? text.length : header.length === 4 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(text.length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(text.length), 2);
  return Buffer.concat([header, Buffer.from(text)]);
}
