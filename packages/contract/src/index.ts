export * from "./contract-case.ts";
export * from "./installation.ts";
export * from "./link-contracts.ts";
