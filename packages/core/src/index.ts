export * from "./invariant.ts";
export * from "./manual-clock.ts";
export * from "./ports/index.ts";
export * from "./rules/apply-membership-changes.ts";
export * from "./rules/encode-entry.ts";
export * from "./rules/readable-range.ts";
export * from "./rules/socket-state.ts";
