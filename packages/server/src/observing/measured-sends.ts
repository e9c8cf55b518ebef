import type { Clock } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { Counter, Histogram, type Registry } from "prom-client";
import type { SendService } from "../services.ts";
import { secondsBuckets } from "./measured-engines.ts";

/** The Send Service, with its outcomes counted: `acknowledged`, or the code of the refusal, of which there are some forty. */
export function measureSends(
  service: SendService,
  { registry, clock }: { registry: Registry; clock: Clock },
): SendService {
  const registers = [registry];
  const outcomes = new Counter({
    name: "tidings_sends_total",
    help: "Messages that were sent here, by outcome: acknowledged, or the error's code.",
    labelNames: ["outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "tidings_send_seconds",
    help: "Time from a message's receipt to its acknowledgement, of those acknowledged.",
    buckets: secondsBuckets,
    registers,
  });
  const acknowledged = outcomes.labels("acknowledged");
  return {
    send(sender, target, message) {
      const beganMs = clock.monotonicMs();
      const sent = service.send(sender, target, message);
      // Beside the caller's own promise, which gets no step longer by it.
      sent.then(
        () => {
          acknowledged.inc();
          seconds.observe((clock.monotonicMs() - beganMs) / 1_000);
        },
        (error: unknown) => outcomes.labels(error instanceof TidingsError ? error.code : "internal").inc(),
      );
      return sent;
    },
  };
}
