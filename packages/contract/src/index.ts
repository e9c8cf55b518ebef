export * from "./contract-case.ts";
export * from "./installation.ts";
export * from "./link-contracts.ts";
export * from "./system.ts";
export { systemCases } from "./system-cases.ts";
export { signUpOverWire } from "./wire-system.ts";
export * from "./testing/broken-engines.ts";
export { openMemoryDisk } from "./testing/memory-disk.ts";
