/** The version in every path (`/v1/…`) and in the WebSocket subprotocol. */
export const protocolVersion = "v1";
export const subprotocol = "tidings.v1";

/** SHA-256 of everything that version 1 says on the wire, without its prose; version.test.ts explains what to do when it changes. */
export const wireHash = "30a7a46eb19fc49712d28f95af3a1a57d871dcfd0a8325b07a1ebdd2423ecb69";
