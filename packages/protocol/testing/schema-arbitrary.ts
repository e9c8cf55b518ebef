import * as fc from "fast-check";

/** The part of JSON Schema that our schemas use. What is not here makes `arbitraryOf` throw, so that nothing goes untested. */
export type JsonSchema = {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly maxProperties?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
};

/** Values that a schema takes. */
export function arbitraryOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(arbitraryOf));
  switch (schema.type) {
    case undefined:
      return fc.jsonValue({ maxDepth: 3 }).map(wellFormed);
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: schema.minimum ?? -1000, max: Math.min(schema.maximum ?? 2 ** 31 - 1, 2 ** 31 - 1) });
    case "string":
      return stringOf(schema);
    case "array": {
      const items = arbitraryOf(schema.items ?? {});
      const bounds = { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? 5, 5) };
      return schema.uniqueItems === true ? fc.uniqueArray(items, bounds) : fc.array(items, bounds);
    }
    case "object":
      return objectOf(schema);
    default:
      throw new Error(`No samples for the schema ${JSON.stringify(schema)}.`);
  }
}

export type Mutation = { readonly value: unknown /** The field that is wrong now. */; readonly path: string };

/** Values a step away from one that the schema takes, none of which it takes, each with the field that is wrong. */
export function mutationsOf(schema: JsonSchema, value: unknown, path = ""): Mutation[] {
  const here = (wrong: readonly unknown[]): Mutation[] => wrong.map((one) => ({ value: one, path }));
  if (schema.const !== undefined || schema.enum !== undefined) return here([null, "no such word"]);
  if (schema.anyOf !== undefined) return here([null, "no such word"]);
  switch (schema.type) {
    case "boolean":
      return here([null, 0, "true"]);
    case "integer":
      return here([
        null,
        "1",
        1.5,
        (schema.minimum ?? 0) - 1,
        ...(schema.maximum === undefined ? [] : [schema.maximum + 1]),
      ]);
    case "string":
      return here([
        null,
        7,
        ...(schema.pattern === undefined ? [] : ["\u0000 \u0007"]),
        ...((schema.minLength ?? 0) > 0 ? [""] : []),
        ...(schema.maxLength === undefined ? [] : ["a".repeat(schema.maxLength + 1)]),
      ]);
    case "array": {
      const tooMany =
        schema.maxItems === undefined ? [] : [Array.from({ length: schema.maxItems + 1 }, (_, n) => `u${n}`)];
      const list = value as readonly unknown[];
      const twice = schema.uniqueItems === true && list[0] !== undefined ? [[...list, list[0]]] : [];
      return here([null, {}, ...tooMany, ...twice]);
    }
    case "object":
      return [...here([null, [], 1]), ...objectMutations(schema, value as Record<string, unknown>, path)];
    default:
      return [];
  }
}

function objectMutations(schema: JsonSchema, value: Record<string, unknown>, path: string): Mutation[] {
  const mutations: Mutation[] = [];
  if (schema.additionalProperties === false) {
    mutations.push({ value: { ...value, "no such field": 1 }, path: `${path}/no such field` });
  }
  for (const key of schema.required ?? []) {
    const { [key]: _, ...rest } = value;
    mutations.push({ value: rest, path: `${path}/${key}` });
  }
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (!(key in value)) continue;
    for (const inner of mutationsOf(property, value[key], `${path}/${key}`)) {
      mutations.push({ value: { ...value, [key]: inner.value }, path: inner.path });
    }
  }
  return mutations;
}

function objectOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  const entries = Object.entries(schema.properties ?? {}).map(
    ([key, property]) => [key, arbitraryOf(property)] as const,
  );
  const named = fc.record(Object.fromEntries(entries), { requiredKeys: [...(schema.required ?? [])] });
  const [pattern] = Object.entries(schema.patternProperties ?? {});
  if (pattern === undefined) return named;
  const keys = stringOf({ type: "string", pattern: pattern[0] }).filter((key) => key !== "__proto__");
  const open = fc.dictionary(keys, arbitraryOf(pattern[1]), { maxKeys: Math.min(schema.maxProperties ?? 4, 4) });
  return fc.tuple(named, open).map(([one, other]) => ({ ...one, ...other }));
}

function stringOf(schema: JsonSchema): fc.Arbitrary<string> {
  const minLength = schema.minLength ?? 0;
  const maxLength = Math.min(schema.maxLength ?? 60, 60);
  const free = fc.string({ unit: "binary", minLength, maxLength }).map(wellFormed);
  if (schema.pattern === undefined) return free as fc.Arbitrary<string>;
  const fits = (text: string): boolean => text.length >= minLength && text.length <= Math.max(maxLength, 140);
  return fc.stringMatching(new RegExp(schema.pattern, "u")).filter((text) => fits(text) && text.isWellFormed());
}

function wellFormed(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === "string" ? inner.toWellFormed() : inner)),
  );
}
