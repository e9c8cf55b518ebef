import {
  type ErrorCode,
  errorCatalogue,
  errorsOf,
  type HttpOperation,
  httpOperations,
  problemSchema,
} from "@tidings/protocol";
import type { TSchema } from "typebox";
import { httpExamples } from "./examples.ts";
import { createSchemaWriter, type JsonObject, type SchemaWriter } from "./schema-writer.ts";

/** The HTTP half of the protocol as an OpenAPI 3.1 document. */
export function buildOpenApi(): JsonObject {
  const writer = createSchemaWriter();
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const [name, operation] of Object.entries<HttpOperation>(httpOperations)) {
    const path = operation.path.replace(/:([a-z_]+)/g, "{$1}");
    paths[path] ??= {};
    paths[path][operation.method.toLowerCase()] = describeOperation(name, operation, writer);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Tidings",
      version: "1",
      summary: "Self-hosted messaging: nothing acknowledged is ever lost, doubled or out of order.",
      description: "The meaning of what is described here is in protocol.md; the WebSocket half is in asyncapi.json.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The server that you run; http://127.0.0.1:8484 unless told otherwise." }],
    security: [{ token: [] }],
    tags: tagsOf(paths),
    paths,
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "A token of ours, or a JWT of the outside issuer." },
      },
      schemas: writer.components(),
    },
  };
}

function describeOperation(name: string, operation: HttpOperation, writer: SchemaWriter): JsonObject {
  const examples = httpExamples[name as keyof typeof httpOperations];
  return {
    operationId: name,
    summary: operation.summary,
    tags: [operation.path.split("/")[2]],
    ...(operation.auth ? {} : { security: [] }),
    ...withParameters([
      ...parametersOf("path", operation.params, writer),
      ...parametersOf("query", operation.query, writer),
    ]),
    ...(operation.body === undefined
      ? {}
      : { requestBody: { required: true, content: json(writer.write(operation.body, "request"), examples?.body) } }),
    responses: {
      [operation.status]: {
        description: operation.answer === undefined ? "Done." : "The answer.",
        ...(operation.answer === undefined
          ? {}
          : { content: json(writer.write(operation.answer, "answer"), examples?.answer) }),
      },
      ...problemResponses(errorsOf(operation), writer),
    },
  };
}

function problemResponses(codes: readonly ErrorCode[], writer: SchemaWriter): Record<string, JsonObject> {
  const problem = writer.write(problemSchema, "answer");
  const responses: Record<string, JsonObject> = {};
  for (const status of [...new Set(codes.map((code) => errorCatalogue[code].status))].sort()) {
    const ofStatus = codes.filter((code) => errorCatalogue[code].status === status);
    const mayRetry = ofStatus.some((code) => errorCatalogue[code].retryable);
    responses[status] = {
      description: ofStatus.map((code) => `\`${code}\``).join(", "),
      ...(mayRetry
        ? { headers: { "Retry-After": { description: "Seconds.", schema: { type: "integer", minimum: 0 } } } }
        : {}),
      content: { "application/problem+json": { schema: problem } },
    };
  }
  return responses;
}

function parametersOf(place: "path" | "query", schema: TSchema, writer: SchemaWriter): JsonObject[] {
  const { properties, required } = schema as unknown as {
    properties: Record<string, TSchema>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required?.includes(name) ?? false,
    schema: writer.write(property, "request"),
  }));
}

const withParameters = (parameters: readonly JsonObject[]): JsonObject =>
  parameters.length === 0 ? {} : { parameters };

const json = (schema: JsonObject, example: unknown): JsonObject => ({
  "application/json": { schema, ...(example === undefined ? {} : { example }) },
});

function tagsOf(paths: Record<string, Record<string, JsonObject>>): JsonObject[] {
  const names = new Set(Object.keys(paths).map((path) => path.split("/")[2]));
  return [...names].map((name) => ({ name }));
}
