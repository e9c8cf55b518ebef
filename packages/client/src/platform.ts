import type { ClientClock, ClientRandom } from "./types.ts";

/** The real time and the real randomness, of Node and of browsers alike. */

export const systemClock: ClientClock = {
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

export const systemRandom: ClientRandom = {
  fraction: () => Math.random(),
  unguessable(length) {
    let text = "";
    const bytes = new Uint8Array(length * 2);
    while (text.length < length) {
      crypto.getRandomValues(bytes);
      // 252 is the greatest multiple of 36 in a byte: what lies above would make some characters likelier than others.
      for (const byte of bytes) if (byte < 252 && text.length < length) text += alphabet.charAt(byte % alphabet.length);
    }
    return text;
  },
};

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
