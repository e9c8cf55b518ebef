import type { Clock, FleetEngines, LogImage, MachineLink, MachineMessage, MessageLog } from "@tidings/core";
import { Counter, Histogram, type Registry } from "prom-client";

/** The engines of a fleet, measured where a machine uses them: how long the log and the databases take, and how much at once. */
export function measureFleet(fleet: FleetEngines, options: { registry: Registry; clock: Clock }): FleetEngines {
  return { leases: fleet.leases, log: measureLog(fleet.log, options), image: measureImage(fleet.image, options) };
}

function measureLog(log: MessageLog, { registry, clock }: { registry: Registry; clock: Clock }): MessageLog {
  const registers = [registry];
  const seconds = new Histogram({
    name: "tidings_log_append_seconds",
    help: "Time until a record of the Message Log was durable.",
    buckets: secondsBuckets,
    registers,
  });
  const failures = new Counter({
    name: "tidings_log_append_failures_total",
    help: "Records that the Message Log refused, or did not answer for.",
    registers,
  });
  return {
    partitions: log.partitions,
    append(partition, body) {
      const beganMs = clock.monotonicMs();
      const appended = log.append(partition, body);
      // Beside the caller's own promise, which gets no step longer by it.
      appended.then(
        () => seconds.observe((clock.monotonicMs() - beganMs) / 1_000),
        () => failures.inc(),
      );
      return appended;
    },
    read: (partition, after, signal) => log.read(partition, after, signal),
    end: (partition) => log.end(partition),
  };
}

function measureImage(image: LogImage, { registry, clock }: { registry: Registry; clock: Clock }): LogImage {
  const registers = [registry];
  const seconds = new Histogram({
    name: "tidings_apply_seconds",
    help: "Time of a transaction that applied a batch of the Message Log to the databases.",
    buckets: secondsBuckets,
    registers,
  });
  const requests = new Histogram({
    name: "tidings_apply_requests",
    help: "Requests in such a batch.",
    buckets: [1, 3, 10, 30, 100, 300, 1_000],
    registers,
  });
  const failures = new Counter({
    name: "tidings_apply_failures_total",
    help: "Batches that were not applied, or nobody knows: applied again, or by somebody else.",
    registers,
  });
  return {
    takeOver: (partition, epoch) => image.takeOver(partition, epoch),
    apply(batch) {
      const beganMs = clock.monotonicMs();
      const applied = image.apply(batch);
      applied.then(
        () => {
          seconds.observe((clock.monotonicMs() - beganMs) / 1_000);
          requests.observe(batch.requests.length);
        },
        () => failures.inc(),
      );
      return applied;
    },
    position: (partition) => image.position(partition),
    find: (keys) => image.find(keys),
  };
}

/** Counts what is sent to machines. What of it is lost nobody sees here: whoever lacks it counts a repair. */
export function measureMachineLink(link: MachineLink, registry: Registry): MachineLink {
  const sent = new Counter({
    name: "tidings_pushes_total",
    help: "Messages sent to machines, by what they tell. One to every machine counts once.",
    labelNames: ["tell"],
    registers: [registry],
  });
  const series = new Map<MachineMessage["tell"], Counter.Internal>();
  const count = (tell: MachineMessage["tell"]): void => {
    let found = series.get(tell);
    if (found === undefined) {
      found = sent.labels(tell);
      series.set(tell, found);
    }
    found.inc();
  };
  return {
    send(machine, message) {
      count(message.tell);
      link.send(machine, message);
    },
    sendToAll(message) {
      count(message.tell);
      link.sendToAll(message);
    },
    receive: (machine, handler, signal) => link.receive(machine, handler, signal),
  };
}

export const secondsBuckets = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
