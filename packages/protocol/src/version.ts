/** The version in every path (`/v1/…`) and in the WebSocket subprotocol. */
export const protocolVersion = "v1";
export const subprotocol = "tidings.v1";
