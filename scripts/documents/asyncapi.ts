import { clientFrameSchemas, serverFrameSchemas, subprotocol } from "@tidings/protocol";
import { frameExamples } from "./examples.ts";
import { createSchemaWriter, type JsonObject } from "./schema-writer.ts";

type FrameType = keyof typeof clientFrameSchemas | keyof typeof serverFrameSchemas;

/** The WebSocket half of the protocol as an AsyncAPI 3.0 document, from the server's side: it receives what clients send. */
export function buildAsyncApi(): JsonObject {
  const writer = createSchemaWriter();
  const messages: Record<string, JsonObject> = {};
  const note = (type: string, payload: JsonObject): void => {
    messages[type] = {
      name: type,
      contentType: "application/json",
      payload,
      examples: frameExamples[type as FrameType].map((example) => ({ payload: example })),
    };
  };
  for (const [type, schema] of Object.entries(clientFrameSchemas)) note(type, writer.write(schema, "request"));
  for (const [type, schema] of Object.entries(serverFrameSchemas)) note(type, writer.write(schema, "answer"));
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Tidings",
      version: "1",
      description: "The meaning of these frames is in protocol.md; the HTTP half is in openapi.json.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    defaultContentType: "application/json",
    servers: {
      own: { host: "127.0.0.1:8484", protocol: "ws", description: "The server that you run." },
    },
    channels: {
      socket: {
        address: "/v1/socket",
        title: "One session",
        description: `WebSocket with the subprotocol \`${subprotocol}\`, one JSON object a text frame.`,
        messages: Object.fromEntries(
          Object.keys(messages).map((type) => [type, { $ref: `#/components/messages/${type}` }]),
        ),
        bindings: { ws: { method: "GET" } },
      },
    },
    operations: operations(),
    components: { messages, schemas: writer.components() },
  };
}

function operations(): Record<string, JsonObject> {
  const answers: Record<keyof typeof clientFrameSchemas, readonly FrameType[]> = {
    hello: ["welcome", "error"],
    send: ["ack", "error"],
    sync: ["deliver", "synced", "error"],
    read: ["error"],
  };
  const received = Object.entries(answers).map(([type, reply]): [string, JsonObject] => [
    `take-${type}`,
    {
      action: "receive",
      channel: channelRef,
      messages: [messageRef(type)],
      reply: { channel: channelRef, messages: reply.map(messageRef) },
    },
  ]);
  const pushed: readonly FrameType[] = [
    "deliver",
    "synced",
    "heads",
    "hint",
    "joined",
    "ended",
    "notify",
    "marked",
    "error",
    "goodbye",
  ];
  return {
    ...Object.fromEntries(received),
    push: { action: "send", channel: channelRef, messages: pushed.map(messageRef) },
  };
}

const channelRef = { $ref: "#/channels/socket" };
const messageRef = (type: string): JsonObject => ({ $ref: `#/channels/socket/messages/${type}` });
