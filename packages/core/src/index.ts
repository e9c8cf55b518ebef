export * from "./ports/index.ts";
export * from "./rules/readable-range.ts";
