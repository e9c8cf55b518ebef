import {
  checkMessageSize,
  clientFrameSchemas,
  type ClientFrame,
  depthOf,
  limits,
  TidingsError,
  validator,
} from "@tidings/protocol";

export type ParsedFrame = ClientFrame;

const validators = {
  hello: validator(clientFrameSchemas.hello),
  send: validator(clientFrameSchemas.send),
  sync: validator(clientFrameSchemas.sync),
  read: validator(clientFrameSchemas.read),
};

/**
 * A frame of a client, checked. Throws `binary-frame`, `invalid-json`, `too-deep`, `unknown-type`, `invalid-request`,
 * `text-too-large` or `metadata-too-large`. That it is UTF-8 and not too large was checked by the WebSocket.
 */
export function parseClientFrame(data: Buffer, isBinary: boolean): ParsedFrame {
  if (isBinary) throw new TidingsError("binary-frame");
  const value = parseJson(data);
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
  const frame = validators[type](value);
  if (frame.type === "send") checkMessageSize(frame);
  return frame;
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
