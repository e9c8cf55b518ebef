import type { AckFrame, ConversationId, ServerFrame } from "@tidings/protocol";
import type { EncodedEntry } from "@tidings/core";

/**
 * Frames as the bytes that go to a socket: a WebSocket header (RFC 6455, 5.2: FIN, text, not masked) and the JSON. They
 * are made here and not by the WebSocket library, so that one encoding serves every socket that needs the same frame.
 */
export function encodeFrame(frame: ServerFrame): Buffer {
  return textFrame(JSON.stringify(frame));
}

/** Entries are stored as the text that travels: a range is put together, not encoded again. */
export function encodeDeliver(conversation: ConversationId, entries: readonly EncodedEntry[]): Buffer {
  let body = "";
  for (const entry of entries) body += body === "" ? entry.json : `,${entry.json}`;
  const fromSeq = entries[0]?.seq ?? 0;
  return textFrame(`{"type":"deliver","conversation":"${conversation}","from_seq":${fromSeq},"entries":[${body}]}`);
}

/** The alphabets of ids hold nothing that JSON escapes. */
export function encodeAck(ack: Omit<AckFrame, "type">): Buffer {
  const seq = ack.seq === undefined ? "" : `,"seq":${ack.seq}`;
  const turn = ack.turn === undefined ? "" : `,"turn":${ack.turn}`;
  return textFrame(
    `{"type":"ack","message_id":"${ack.message_id}","conversation":"${ack.conversation}"${seq},"at_ms":${ack.at_ms}${turn}}`,
  );
}

const finAndText = 0x81;
/** A ping without payload: FIN, opcode 9, length 0. */
export const pingFrame: Buffer = Buffer.from([0x89, 0x00]);

export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  // Not from the shared pool: a frame may stay in socket buffers for long, and would keep its whole slab.
  const frame =
    headerLength + length < 4_096
      ? Buffer.allocUnsafe(headerLength + length)
      : Buffer.allocUnsafeSlow(headerLength + length);
  frame[0] = finAndText;
  if (headerLength === 2) {
    frame[1] = length;
  } else if (headerLength === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, headerLength, "utf8");
  return frame;
}
