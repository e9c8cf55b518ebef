import * as fc from "fast-check";
import Type, { type TSchema } from "typebox";
import { describe, expect, test } from "vitest";
import { arbitraryOf, type JsonSchema, mutationsOf } from "../testing/schema-arbitrary.ts";
import { entrySchema } from "./entries.ts";
import { TidingsError } from "./errors.ts";
import { httpOperations } from "./http.ts";
import { limits } from "./limits.ts";
import { clientFrameSchemas, sendSchema, serverFrameSchemas } from "./socket.ts";
import { checkMessageSize, depthOf, validator } from "./validate.ts";

const requestSchemas: [string, TSchema][] = [
  ...Object.entries(clientFrameSchemas).map(([type, schema]): [string, TSchema] => [`frame ${type}`, schema]),
  ...Object.entries(httpOperations).flatMap(([name, operation]): [string, TSchema][] => [
    [`params of ${name}`, operation.params],
    [`query of ${name}`, operation.query],
    ...("body" in operation ? [[`body of ${name}`, operation.body] as [string, TSchema]] : []),
  ]),
];

const sentSchemas: [string, TSchema][] = [
  ["entry", entrySchema],
  ...Object.entries(serverFrameSchemas).map(([type, schema]): [string, TSchema] => [`frame ${type}`, schema]),
  ...Object.entries(httpOperations).flatMap(([name, operation]): [string, TSchema][] =>
    "answer" in operation ? [[`answer of ${name}`, operation.answer]] : [],
  ),
];

describe("what a schema describes is taken", () => {
  test.each([...requestSchemas, ...sentSchemas])("%s", async (_, schema) => {
    const check = validator(schema);
    await fc.assert(
      fc.property(arbitraryOf(schema as JsonSchema), (value) => {
        expect(check(value)).toBe(value);
      }),
      { numRuns: 30 },
    );
  });
});

describe("a request with one wrong field is refused, and the field is named", () => {
  test.each(requestSchemas)("%s", async (_, schema) => {
    const check = validator(schema);
    await fc.assert(
      fc.property(arbitraryOf(schema as JsonSchema), (value) => {
        for (const mutation of mutationsOf(schema as JsonSchema, value)) {
          const refusal = refusalOf(check, mutation.value);
          expect(refusal.code).toBe("invalid-request");
          expect(refusal.detail).toContain(mutation.path === "" ? "The request" : mutation.path);
        }
      }),
      { numRuns: 10 },
    );
  });
});

describe("what a database could not keep is refused", () => {
  test.each([
    [
      "a description with U+0000",
      httpOperations.createGroup.body,
      { name: "a", visibility: "public", description: "\0" },
    ],
    ["a changed description with U+0000", httpOperations.changeGroup.body, { description: "a\0b" }],
    ["a label with U+0000", httpOperations.createToken.body, { name: "ann", password: "a long one", label: "\0" }],
  ])("%s", (_, schema, value) => {
    expect(refusalOf(validator(schema), value)).toMatchObject({ code: "invalid-request" });
  });

  test("and a description may have many lines", () => {
    const value = { name: "a", visibility: "public", description: "first\nsecond" };
    expect(validator(httpOperations.createGroup.body)(value)).toEqual(value);
  });
});

describe("a refusal is a sentence for a person", () => {
  const send = { type: "send", conversation: "g_a", message_id: "m", text: "hello" };
  test.each([
    ["an unknown field", { ...send, colour: "red" }, "/colour is not a known field."],
    ["a missing field", { type: "send", message_id: "m" }, "/text is missing."],
    ["a wrong type", { ...send, text: ["hello"] }, "/text must be string, not array."],
    ["a wrong pattern", { ...send, message_id: "a b" }, "/message_id must match ^[A-Za-z0-9_.:-]{1,64}$."],
    ["a number too small", { ...send, turn: 0 }, "/turn must be >= 1."],
    ["something else than an object", 7, "The request must be object, not number."],
  ])("%s", (_, value, sentence) => {
    expect(refusalOf(validator(sendSchema), value).detail).toBe(sentence);
  });

  test("a choice names all that is possible", () => {
    const refusal = refusalOf(validator(httpOperations.changeMember.body), { role: "king" });
    expect(refusal.detail).toBe('/role must be "owner" or "admin" or "member".');
  });

  test("it stays short, whatever the client called its field", () => {
    const refusal = refusalOf(validator(sendSchema), { ...send, ["x".repeat(100_000)]: 1 });
    expect(refusal.message.length).toBeLessThanOrEqual(300);
  });
});

describe("text that is no text", () => {
  const send = { type: "send", conversation: "g_a", message_id: "m", text: "hello" };
  test.each([
    ["in a message", { ...send, text: "\ud800" }],
    ["in a value of the metadata", { ...send, metadata: { list: ["fine", "\udc00"] } }],
    ["in a name of the metadata", { ...send, metadata: { "\ud83d": 1 } }],
  ])("half a surrogate pair is refused %s", (_, value) => {
    expect(refusalOf(validator(sendSchema), value).code).toBe("invalid-request");
  });

  test("whole characters outside of the basic plane are taken", () => {
    expect(validator(sendSchema)({ ...send, text: "👍🏽", metadata: { "👍": "🏽" } })).toBeDefined();
  });

  test("a name holds no line break and no terminal escape", () => {
    const check = validator(httpOperations.createGroup.body);
    expect(refusalOf(check, { name: "two\nlines" }).code).toBe("invalid-request");
    expect(refusalOf(check, { name: "\u001b[31mred" }).code).toBe("invalid-request");
  });
});

describe("sizes", () => {
  test("a text is measured in bytes of UTF-8", () => {
    checkMessageSize({ text: "é".repeat(limits.textBytesMax / 2) });
    expect(codeOf(() => checkMessageSize({ text: "é".repeat(limits.textBytesMax / 2 + 1) }))).toBe("text-too-large");
    checkMessageSize({ text: "a".repeat(limits.textBytesMax) });
  });

  test("metadata is measured as JSON", () => {
    const frame = JSON.stringify({ a: "" }).length;
    checkMessageSize({ text: "a", metadata: { a: "x".repeat(limits.metadataBytesMax - frame) } });
    const tooLarge = { a: "x".repeat(limits.metadataBytesMax - frame + 1) };
    expect(codeOf(() => checkMessageSize({ text: "a", metadata: tooLarge }))).toBe("metadata-too-large");
  });

  test("metadata nests up to metadataDepthMax", () => {
    checkMessageSize({ text: "a", metadata: nested(limits.metadataDepthMax) });
    expect(codeOf(() => checkMessageSize({ text: "a", metadata: nested(limits.metadataDepthMax + 1) }))).toBe(
      "too-deep",
    );
  });

  test("a request that nests deeper than jsonDepthMax is refused before anything walks through it", () => {
    const check = validator(Type.Object({ any: Type.Unknown() }));
    expect(refusalOf(check, { any: nested(200_000) }).code).toBe("too-deep");
  });

  test("depth counts objects and arrays, and stops one past the limit", async () => {
    await fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 20 }), (depth, max) => {
        expect(depthOf(nested(depth), max)).toBe(Math.min(depth, max + 1));
      }),
    );
  });
});

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? { a: value } : [value];
  return value;
}

function refusalOf(check: (value: unknown) => unknown, value: unknown): TidingsError {
  try {
    check(value);
  } catch (error) {
    if (error instanceof TidingsError) return error;
    throw error;
  }
  throw new Error(`Taken, though it is wrong: ${JSON.stringify(value).slice(0, 500)}`);
}

const codeOf = (action: () => void): string => refusalOf(action, undefined).code;
