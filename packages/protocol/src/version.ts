/** The version in every path (`/v1/…`) and in the WebSocket subprotocol. */
export const protocolVersion = "v1";
export const subprotocol = "tidings.v1";

/** SHA-256 of everything that version 1 says on the wire, without its prose; version.test.ts explains what to do when it changes. */
export const wireHash = "ee305d52ae7688d80dcca7db59d4f3fcb244e1b729e07d173b8c044baca8abd0";
