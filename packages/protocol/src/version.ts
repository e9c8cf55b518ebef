/** The version in every path (`/v1/…`) and in the WebSocket subprotocol. */
export const protocolVersion = "v1";
export const subprotocol = "tidings.v1";

/** SHA-256 of everything that version 1 says on the wire, without its prose; version.test.ts explains what to do when it changes. */
export const wireHash = "ebaf6df9a8b70580404b1ba5f04dc0207cdaa5fa960ace3606ff416a598b1bee";
