import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import {
  clientFrameSchemas,
  type HttpOperation,
  httpOperations,
  serverFrameSchemas,
  validator,
} from "@tidings/protocol";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import * as fc from "fast-check";
import type { TSchema } from "typebox";
import { describe, expect, test } from "vitest";
import { arbitraryOf, type JsonSchema, mutationsOf } from "../../packages/protocol/testing/schema-arbitrary.ts";
import { buildAsyncApi } from "./asyncapi.ts";
import { frameExamples, httpExamples } from "./examples.ts";
import { generatedFiles } from "./generated-files.ts";
import { buildOpenApi } from "./openapi.ts";

const root = join(import.meta.dirname, "..", "..");
type OpenApi = {
  readonly paths: Record<string, Record<string, OpenApiOperation>>;
  readonly components: { readonly schemas: Record<string, object> };
};
type OpenApiOperation = {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema: object }> }>;
};
type AsyncApi = { readonly components: { readonly messages: Record<string, { readonly payload: object }> } };

const openApi = buildOpenApi() as unknown as OpenApi;
const asyncApi = buildAsyncApi() as unknown as AsyncApi;

describe("the generated files", () => {
  test.each([...generatedFiles(root)])("%s is up to date (npm run generate)", (path, content) => {
    expect(readFileSync(join(root, path), "utf8")).toBe(content);
  });
});

describe("openapi.json", () => {
  test("is valid OpenAPI 3.1, says an independent validator", async () => {
    const result = await new Validator().validate(structuredClone(openApi));
    expect(result).toEqual({ valid: true });
  });

  test("every reference leads somewhere", () => {
    expect(danglingReferences(openApi)).toEqual([]);
  });

  test("describes each operation once, with the parameters of its path", () => {
    const operations = Object.entries(openApi.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, operation })),
    );
    expect(operations.map(({ operation }) => operation.operationId).sort()).toEqual(Object.keys(httpOperations).sort());
    for (const { path, operation } of operations) {
      const named = (operation.parameters ?? []).filter((one) => one.in === "path").map((one) => one.name);
      expect(named.sort()).toEqual([...path.matchAll(/\{([a-z_]+)\}/g)].map((match) => match[1]).sort());
    }
  });
});

describe("asyncapi.json", () => {
  test("is valid AsyncAPI 3.0, says the specification's own schema", () => {
    const schema = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json") as object;
    const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true, logger: false }));
    const check = ajv.compile(schema);
    check(asyncApi);
    expect(check.errors ?? []).toEqual([]);
  });

  test("every reference leads somewhere", () => {
    expect(danglingReferences(asyncApi)).toEqual([]);
  });
});

describe("the documents and the validators agree: what the server sends passes", () => {
  const sent: [string, TSchema, object][] = [
    ...Object.entries(serverFrameSchemas).map(([type, schema]): [string, TSchema, object] => [
      `frame ${type}`,
      schema,
      payloadOf(type),
    ]),
    ...operationsWith("answer").map(([name, schema]): [string, TSchema, object] => [
      `answer of ${name}`,
      schema,
      answerOf(name),
    ]),
  ];

  test.each(sent)("%s", async (name, schema, described) => {
    const check = ajvFor(name.startsWith("frame") ? asyncApi : openApi).compile(described);
    await fc.assert(
      fc.property(arbitraryOf(schema as JsonSchema), (value) => {
        check(value);
        expect(check.errors ?? []).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  test("a client that checks by the documents takes fields, kinds of entries and error codes of a later server", () => {
    const ajv = ajvFor(asyncApi);
    const entry = { seq: 7, at_ms: 1, kind: "reaction", to_seq: 3, emoji: "🌱" };
    const deliver = { type: "deliver", conversation: "g_a", from_seq: 7, entries: [entry], later: true };
    const error = { type: "error", code: "brand-new", detail: "?", retryable: false };
    expect(ajv.validate(payloadOf("deliver"), deliver)).toBe(true);
    expect(ajv.validate(payloadOf("error"), error)).toBe(true);
    const broken = { ...deliver, entries: [{ seq: 7, at_ms: 1, kind: "message", text: "no sender" }] };
    expect(ajv.validate(payloadOf("deliver"), broken)).toBe(false);
  });
});

describe("the documents and the validators agree: what the server refuses is refused", () => {
  const taken: [string, TSchema, object][] = [
    ...Object.entries(clientFrameSchemas).map(([type, schema]): [string, TSchema, object] => [
      `frame ${type}`,
      schema,
      payloadOf(type),
    ]),
    ...operationsWith("body").map(([name, schema]): [string, TSchema, object] => [
      `body of ${name}`,
      schema,
      bodyOf(name),
    ]),
  ];

  test.each(taken)("%s", async (name, schema, described) => {
    const check = ajvFor(name.startsWith("frame") ? asyncApi : openApi).compile(described);
    await fc.assert(
      fc.property(arbitraryOf(schema as JsonSchema), (value) => {
        expect(check(value)).toBe(true);
        for (const mutation of mutationsOf(schema as JsonSchema, value)) expect(check(mutation.value)).toBe(false);
      }),
      { numRuns: 5 },
    );
  });
});

describe("the examples", () => {
  const schemas: Record<string, TSchema> = { ...clientFrameSchemas, ...serverFrameSchemas };
  const frames = Object.entries(frameExamples).flatMap(([type, examples]) =>
    examples.map((example) => ({ type, example })),
  );

  test.each(frames)("of the frame $type is one", ({ type, example }) => {
    expect(validator(schemas[type] as TSchema)(example)).toBe(example);
    expect(ajvFor(asyncApi).validate(payloadOf(type), example)).toBe(true);
  });

  test.each(Object.entries(httpExamples))("of %s are such bodies", (name, example) => {
    if (example.body !== undefined) expect(ajvFor(openApi).validate(bodyOf(name), example.body)).toBe(true);
    if (example.answer !== undefined) expect(ajvFor(openApi).validate(answerOf(name), example.answer)).toBe(true);
  });
});

/** Knows the document's components; the schemas given to it may refer to them. */
function ajvFor(document: object): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true });
  ajv.addVocabulary(["components"]);
  ajv.addSchema({ $id: "document", components: (document as { components: object }).components }, "document");
  return ajv;
}

const payloadOf = (type: string): object => absolute(asyncApi.components.messages[type]?.payload);
const bodyOf = (name: string): object => absolute(operationOf(name).requestBody?.content["application/json"]?.schema);
const answerOf = (name: string): object => {
  const responses = Object.entries(operationOf(name).responses);
  return absolute(responses.find(([status]) => status.startsWith("2"))?.[1].content?.["application/json"]?.schema);
};

function operationOf(name: string): OpenApiOperation {
  const all = Object.values(openApi.paths).flatMap((methods) => Object.values(methods));
  const found = all.find((operation) => operation.operationId === name);
  if (found === undefined) throw new Error(`openapi.json has no operation ${name}.`);
  return found;
}

function operationsWith(part: "answer" | "body"): [string, TSchema][] {
  return Object.entries<HttpOperation>(httpOperations).flatMap(([name, operation]): [string, TSchema][] => {
    const schema = operation[part];
    return schema === undefined ? [] : [[name, schema]];
  });
}

/** References from within the document, as seen from outside of it. */
function absolute(schema: object | undefined): object {
  if (schema === undefined) throw new Error("The document describes no such body.");
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"document#/')) as object;
}

function danglingReferences(document: object): string[] {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] as string);
  return references.filter((reference) => {
    let place: unknown = document;
    for (const step of reference.split("/")) place = (place as Record<string, unknown> | undefined)?.[step];
    return place === undefined;
  });
}
