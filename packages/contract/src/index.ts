export * from "./contract-case.ts";
export * from "./installation.ts";
