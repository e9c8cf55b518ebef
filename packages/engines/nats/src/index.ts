export * from "./examine-nats.ts";
export * from "./nats-engine.ts";
