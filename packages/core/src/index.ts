export * from "./invariant.ts";
export * from "./manual-clock.ts";
export * from "./ports/index.ts";
export * from "./rules/apply-membership-changes.ts";
export * from "./rules/readable-range.ts";
