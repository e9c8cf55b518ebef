export * from "./nats-engine.ts";
