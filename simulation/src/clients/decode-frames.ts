/** A frame that a server sent (RFC 6455, 5.2), whole and not masked. */
export type DecodedFrame = { readonly kind: "text"; readonly text: string } | { readonly kind: "ping" };

/** The frames in a piece of what a server wrote; it writes whole frames. Throws for what it never writes. */
export function decodeFrames(bytes: Uint8Array): DecodedFrame[] {
  const frames: DecodedFrame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0;
    at += 2;
    if (length === 126 || length === 127) {
      const width = length === 126 ? 2 : 8;
      length = 0;
      for (let index = 0; index < width; index += 1) length = length * 256 + (bytes[at + index] ?? 0);
      at += width;
    }
    if (at + length > bytes.length) throw new Error("A frame is longer than what was written.");
    const payload = Buffer.from(bytes.buffer, bytes.byteOffset + at, length);
    at += length;
    if (first === 0x81) frames.push({ kind: "text", text: payload.toString("utf8") });
    else if (first === 0x89) frames.push({ kind: "ping" });
    else throw new Error(`A server wrote a frame that begins with ${first}.`);
  }
  return frames;
}
