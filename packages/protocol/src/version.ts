/** The version in every path (`/v1/…`) and in the WebSocket subprotocol. */
export const protocolVersion = "v1";
export const subprotocol = "tidings.v1";

/** SHA-256 of everything that version 1 says on the wire, without its prose; version.test.ts explains what to do when it changes. */
export const wireHash = "f52c7ab1bce3f81253c37c8b838d26b9e4810d660bf383554f5b7aa95c677ca6";
