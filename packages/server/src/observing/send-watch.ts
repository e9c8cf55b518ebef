import type { Clock } from "@tidings/core";
import type { Registry } from "prom-client";
import type { SendService } from "../services.ts";
import { measureSends } from "./measured-sends.ts";
import { traceSends } from "./traced.ts";
import type { Tracing } from "./tracing.ts";

/** What is put around the Send Service to look on: metrics always, traces where they are asked for. */
export function createSendWatch(options: {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly tracing: Tracing | undefined;
}): (service: SendService) => SendService {
  const { tracing } = options;
  return (service) => {
    const measured = measureSends(service, options);
    return tracing === undefined ? measured : traceSends(measured, tracing);
  };
}
