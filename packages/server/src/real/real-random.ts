import { randomBytes } from "node:crypto";
import type { Random } from "@tidings/core";

export function createRealRandom(): Random {
  return { fraction: () => Math.random(), unguessable };
}

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
/** The largest multiple of 36 in a byte: bytes from here on are thrown away, so that no letter is likelier than another. */
const byteEnd = 252;

function unguessable(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length + 8)) {
      if (byte < byteEnd && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
