import { isUtf8 } from "node:buffer";
import { limits, TidingsError } from "@tidings/protocol";

/**
 * The value of a JSON text that came from outside. Throws `invalid-utf8`, `too-deep` or `invalid-json`. The depth is counted in
 * the bytes, before anything recursive sees them. What was wrong is not repeated: it may be somebody's message.
 */
export function parseJsonInput(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new TidingsError("invalid-utf8");
  const text = bytes.toString("utf8");
  if (mayNestDeeper(text, limits.jsonDepthMax) && nestsDeeper(bytes, limits.jsonDepthMax)) {
    throw new TidingsError("too-deep", { detail: `A body nests at most ${limits.jsonDepthMax} deep.` });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new TidingsError("invalid-json");
  }
}

/** What opens at most `depthMax` times, be it in a string, nests no deeper: true of nearly every request, and quickly seen. */
function mayNestDeeper(text: string, depthMax: number): boolean {
  let opens = 0;
  for (const bracket of ["{", "["]) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      opens += 1;
      if (opens > depthMax) return true;
    }
  }
  return false;
}

/** Do objects and arrays nest deeper than `depthMax`? Of a text that is not JSON the answer means nothing. */
export function nestsDeeper(bytes: Buffer, depthMax: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (inString) {
      if (byte === backslash) index += 1;
      else if (byte === quote) inString = false;
    } else if (byte === quote) {
      inString = true;
    } else if (byte === openBrace || byte === openBracket) {
      depth += 1;
      if (depth > depthMax) return true;
    } else if (byte === closeBrace || byte === closeBracket) {
      depth -= 1;
    }
  }
  return false;
}

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
