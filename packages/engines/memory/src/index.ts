export * from "./memory-links.ts";
export * from "./memory-stores.ts";
