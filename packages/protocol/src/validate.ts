import { Compile } from "typebox/compile";
import type { Static, TSchema } from "typebox";
import { TidingsError } from "./errors.ts";
import { limits } from "./limits.ts";

/**
 * A compiled check of one schema. It returns the value with its type, or throws `invalid-request` whose detail
 * names the first field that is wrong. Compilation happens at the first use, so importing the protocol is cheap.
 */
export function validator<S extends TSchema>(schema: S): (value: unknown) => Static<S> {
  let compiled: ReturnType<typeof Compile> | undefined;
  return (value) => {
    compiled ??= Compile(schema) as ReturnType<typeof Compile>;
    if (compiled.Check(value)) return value as Static<S>;
    throw new TidingsError("invalid-request", { detail: describe(compiled.Errors(value)) });
  };
}

function describe(errors: readonly { instancePath: string; message: string }[]): string {
  const first = errors[0];
  if (first === undefined) return "The request does not have the right shape.";
  const where = first.instancePath === "" ? "the request" : first.instancePath;
  return `${where} ${first.message}.`.slice(0, 300);
}

/**
 * What a schema cannot say: sizes in bytes, and depth. Throws `text-too-large`, `metadata-too-large` or `too-deep`.
 */
export function checkMessageSize(message: { text: string; metadata?: unknown }): void {
  // A UTF-16 code unit is at most three bytes of UTF-8, so short texts need no counting.
  if (message.text.length * 3 > limits.textBytesMax && utf8Bytes(message.text) > limits.textBytesMax) {
    throw new TidingsError("text-too-large", { detail: `A text has at most ${limits.textBytesMax} bytes.` });
  }
  if (message.metadata === undefined) return;
  if (depthOf(message.metadata, limits.metadataDepthMax) > limits.metadataDepthMax) {
    throw new TidingsError("too-deep", { detail: `Metadata nests at most ${limits.metadataDepthMax} deep.` });
  }
  if (utf8Bytes(JSON.stringify(message.metadata)) > limits.metadataBytesMax) {
    throw new TidingsError("metadata-too-large", { detail: `Metadata has at most ${limits.metadataBytesMax} bytes.` });
  }
}

const encoder = new TextEncoder();
const utf8Bytes = (text: string): number => encoder.encode(text).byteLength;

/** How deep objects and arrays nest; stops counting one past `max`. A scalar has depth 0. */
export function depthOf(value: unknown, max: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (max <= 0) return 1;
  let deepest = 0;
  for (const child of Object.values(value)) {
    deepest = Math.max(deepest, depthOf(child, max - 1));
    if (deepest >= max) break;
  }
  return deepest + 1;
}
