import type { FleetEngines, MachineLink } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { SendService } from "../services.ts";
import type { Span, Tracing } from "./tracing.ts";

/** A message from its receipt to its acknowledgement; over HTTP it is part of its request. */
export function traceSends(service: SendService, tracing: Tracing): SendService {
  return {
    send(sender, target, message) {
      const span = tracing.begin("send", { "tidings.target": "to" in target ? "user" : "conversation" });
      const sent = span.within(() => service.send(sender, target, message));
      endWith(span, sent);
      return sent;
    },
  };
}

/** Records and batches hold the messages of many, so each is a trace of its own. */
export function traceFleet({ log, image, leases }: FleetEngines, tracing: Tracing): FleetEngines {
  return {
    leases,
    log: {
      partitions: log.partitions,
      append(partition, body) {
        const attributes = { "tidings.partition": partition, "tidings.characters": body.length };
        const span = tracing.begin("log append", attributes, { root: true });
        const appended = span.within(() => log.append(partition, body));
        endWith(span, appended);
        return appended;
      },
      read: (partition, after, signal) => log.read(partition, after, signal),
      end: (partition) => log.end(partition),
    },
    image: {
      takeOver: (partition, epoch) => image.takeOver(partition, epoch),
      apply(batch) {
        const attributes = { "tidings.partition": batch.partition, "tidings.requests": batch.requests.length };
        const span = tracing.begin("apply", attributes, { root: true });
        const applied = span.within(() => image.apply(batch));
        endWith(span, applied);
        return applied;
      },
      position: (partition) => image.position(partition),
      find: (keys) => image.find(keys),
    },
  };
}

/** A push ends when it is handed over: nobody waits for its arrival. */
export function traceMachineLink(link: MachineLink, tracing: Tracing): MachineLink {
  return {
    send(machine, message) {
      if (message.tell !== "delivery") {
        link.send(machine, message);
        return;
      }
      const attributes = { "tidings.machine": machine, "tidings.entries": message.delivery.entries.length };
      const span = tracing.begin("push", attributes, { root: true });
      span.within(() => link.send(machine, message));
      span.end();
    },
    sendToAll: (message) => link.sendToAll(message),
    receive: (machine, handler, signal) => link.receive(machine, handler, signal),
  };
}

/** Beside the caller's own promise, which gets no step longer by it. */
function endWith(span: Span, work: Promise<unknown>): void {
  work.then(
    () => span.end(),
    (error: unknown) => span.end({ failure: failureOf(error) }),
  );
}

function failureOf(error: unknown): string {
  if (error instanceof TidingsError) return error.code;
  return error instanceof Error ? error.name : "unknown";
}
