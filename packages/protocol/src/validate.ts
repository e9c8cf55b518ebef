import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { TidingsError } from "./errors.ts";
import { limits } from "./limits.ts";

/**
 * A compiled check of one schema. It returns the value with its type, or throws `invalid-request` whose detail
 * names the first field that is wrong. Compilation happens at the first use, so importing the protocol is cheap.
 *
 * Beside what the schema says, every string must be well-formed Unicode (`invalid-request`) and nothing may nest deeper
 * than `jsonDepthMax` (`too-deep`), also where the schema takes anything (metadata).
 */
export function validator<S extends TSchema>(schema: S): (value: unknown) => Static<S> {
  let compiled: ReturnType<typeof Compile> | undefined;
  return (value) => {
    compiled ??= Compile(schema) as ReturnType<typeof Compile>;
    if (!compiled.Check(value)) {
      throw new TidingsError("invalid-request", { detail: describe(compiled.Errors(value), value) });
    }
    checkStrings(value, "", limits.jsonDepthMax);
    return value as Static<S>;
  };
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

const encoder = new TextEncoder();
const utf8Bytes = (text: string): number => encoder.encode(text).byteLength;

// Half a surrogate pair can be written in JSON ("\ud800") but is no character. Strict JSON readers refuse a whole frame that
// holds one, so a single member could make a conversation unreadable for all others.
function checkStrings(value: unknown, path: string, depthLeft: number): void {
  if (typeof value === "string") {
    if (value.isWellFormed()) return;
    throw new TidingsError("invalid-request", { detail: sentence(path, "must be well-formed Unicode") });
  }
  if (typeof value !== "object" || value === null) return;
  if (depthLeft === 0) throw new TidingsError("too-deep", { detail: sentence(path, "nests too deep") });
  for (const key in value) {
    if (!key.isWellFormed()) {
      throw new TidingsError("invalid-request", { detail: sentence(path, "must have well-formed Unicode names") });
    }
    checkStrings((value as Record<string, unknown>)[key], `${path}/${key}`, depthLeft - 1);
  }
}

type SchemaError = {
  readonly keyword: string;
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly params: object;
  readonly message: string;
};

// The innermost complaint comes first and a union complains once for each of its members, so the first error names the field;
// what a union would have taken is collected from its members' errors.
function describe(errors: readonly SchemaError[], value: unknown): string {
  const first = errors[0];
  if (first === undefined) return "The request does not have the right shape.";
  const path = first.instancePath;
  switch (first.keyword) {
    case "boolean":
      return sentence(path, "is not a known field");
    case "required": {
      const missing = (first.params as { requiredProperties: readonly string[] }).requiredProperties[0];
      return sentence(`${path}/${missing}`, "is missing");
    }
    case "const":
    case "enum":
      return sentence(path, `must be ${allowedAt(path, errors).join(" or ")}`);
    case "pattern":
      return sentence(path, `must match ${(first.params as { pattern: string }).pattern}`);
    case "type":
      return sentence(path, `${first.message}, not ${typeName(at(value, path))}`);
    default:
      return sentence(path, first.message);
  }
}

function allowedAt(path: string, errors: readonly SchemaError[]): readonly string[] {
  const constants = errors.filter((error) => error.keyword === "const" && error.instancePath === path);
  return constants.map((error) => JSON.stringify((error.params as { allowedValue: unknown }).allowedValue));
}

const sentence = (path: string, predicate: string): string =>
  `${path === "" ? "The request" : path.slice(0, 200).toWellFormed()} ${predicate}.`.slice(0, 300);

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** The value at a JSON pointer (RFC 6901). */
function at(value: unknown, pointer: string): unknown {
  let found = value;
  for (const step of pointer.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    found = typeof found === "object" && found !== null ? (found as Record<string, unknown>)[key] : undefined;
  }
  return found;
}
