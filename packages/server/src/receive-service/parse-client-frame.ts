import {
  type ClientFrame,
  clientFrameSchemas,
  conversationIdSchema,
  depthOf,
  type ErrorFrame,
  limits,
  messageIdSchema,
  TidingsError,
  validator,
} from "@tidings/protocol";
import type { Logger } from "pino";
import { toTidingsError } from "./error-frame.ts";

export type ParsedFrame = ClientFrame;

/** What an error says of the frame that it belongs to. */
export type About = Pick<ErrorFrame, "message_id" | "conversation" | "turn" | "request">;

const validators = {
  hello: validator(clientFrameSchemas.hello),
  send: validator(clientFrameSchemas.send),
  sync: validator(clientFrameSchemas.sync),
  read: validator(clientFrameSchemas.read),
};

/**
 * A frame of a client, checked; or why it is none (`binary-frame`, `invalid-json`, `too-deep`, `unknown-type`,
 * `invalid-request`) and what of it can be told apart all the same. That it is UTF-8 and not too large was checked by the
 * WebSocket; a message's sizes are checked by the Send Service.
 */
export function parseClientFrame(
  data: Buffer,
  isBinary: boolean,
  log: Logger,
): { readonly frame: ParsedFrame } | { readonly error: TidingsError; readonly about: About } {
  let value: unknown;
  try {
    if (isBinary) throw new TidingsError("binary-frame");
    value = parseJson(data);
    return { frame: checkFrame(value) };
  } catch (error) {
    return { error: toTidingsError(error, log), about: aboutOf(value) };
  }
}

function checkFrame(value: unknown): ParsedFrame {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TidingsError("invalid-request", { detail: "A frame is a JSON object." });
  }
  // The flat frames of every day are not walked: only metadata may nest, and the validator refuses other nesting.
  if ("metadata" in value && depthOf(value, limits.jsonDepthMax) > limits.jsonDepthMax)
    throw new TidingsError("too-deep");
  const type: unknown = "type" in value ? value.type : undefined;
  if (typeof type !== "string" || !isFrameType(type)) {
    throw new TidingsError("unknown-type", { detail: "A client sends hello, send, sync and read." });
  }
  return validators[type](value);
}

function parseJson(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString("utf8"));
  } catch (cause) {
    throw new TidingsError("invalid-json", { cause });
  }
}

function isFrameType(type: string): type is keyof typeof validators {
  return Object.hasOwn(validators, type);
}

const isMessageId = accepts(validator(messageIdSchema));
const isConversationId = accepts(validator(conversationIdSchema));

function aboutOf(value: unknown): About {
  if (typeof value !== "object" || value === null) return {};
  const { type, message_id, turn, request, conversation } = value as Readonly<Record<string, unknown>>;
  switch (type) {
    case "send":
      return { ...(isMessageId(message_id) && { message_id }), ...(isCount(turn) && turn > 0 && { turn }) };
    case "sync":
      return { ...(isCount(request) && { request }) };
    case "read":
      return { ...(isConversationId(conversation) && { conversation }) };
    default:
      return {};
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function accepts<T>(check: (value: unknown) => T): (value: unknown) => value is T {
  return (value): value is T => {
    try {
      check(value);
      return true;
    } catch {
      return false;
    }
  };
}
