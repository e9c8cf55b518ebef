export * from "./memory-fleet.ts";
export * from "./memory-inquiry.ts";
export * from "./memory-leases.ts";
export * from "./memory-links.ts";
export * from "./memory-message-log.ts";
export * from "./memory-stores.ts";
