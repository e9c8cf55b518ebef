import { type FleetEngines, type Links, partitionOf } from "@tidings/core";
import type { MachineId } from "@tidings/protocol";
import { lookAtWorker } from "../explain/look-at-worker.ts";
import type { Question, WorkerLook } from "../explain/machine-look.ts";
import { WorkerTrail } from "../explain/worker-trail.ts";
import type { Base, Running } from "../services.ts";
import { Fitness } from "./fitness.ts";
import { HeadsTeller } from "./heads-teller.ts";
import { Interest } from "./interest.ts";
import { PartitionHolder, type WorkerCounts } from "./partition-holder.ts";
import { PartitionLeases } from "./partition-leases.ts";
import { createPushes } from "./pushes.ts";

export type LogWorker = Running & {
  readonly gauges: LogWorkerGauges;
  readonly interest: Interest;
  /** What it remembers of a message, for an operator. */
  look(question: Question): WorkerLook;
};

export type LogWorkerGauges = {
  readonly partitionsHeld: () => number;
  readonly applied: () => number;
  readonly setAside: () => number;
  /** Positions that the partitions held here are behind their ends. */
  readonly lag: () => Promise<number>;
};

/**
 * The Messaging Worker of the log pipeline: holds partitions of the Message Log, applies them to the Messaging DB and the Group
 * DB, and sends what is new to the machines that are interested.
 */
export function createLogWorker(
  base: Base,
  parts: { links: Links; fleet: FleetEngines; machine: MachineId; leaseMs: number },
): LogWorker {
  const { stores, clock, log } = base;
  const { links, fleet, leaseMs } = parts;
  const interest = new Interest({ stores, connections: links.connections });
  const heads = new HeadsTeller({ clock, machines: links.machines, interest });
  const trail = new WorkerTrail(clock);
  const push = createPushes({ stores, machines: links.machines, interest, heads, trail });
  const counts: WorkerCounts = { applied: 0, setAside: 0 };
  const holders = new Map<number, PartitionHolder>();
  const stopped = new AbortController();
  const fitness = new Fitness({ fleet, clock, leaseMs });
  let ended: Promise<unknown> | undefined;

  const partitions = new PartitionLeases({
    leases: fleet.leases,
    partitions: fleet.log.partitions,
    worker: parts.machine,
    leaseMs,
    clock,
    log,
    isFit: () => fitness.isFit,
    hold(partition, epoch) {
      const passedOver = (): void =>
        interest.forgetWhere((conversation) => partitionOf(conversation, fleet.log.partitions) === partition);
      // Whatever is remembered of its conversations is from before another one held it.
      passedOver();
      const holder: PartitionHolder = new PartitionHolder({
        partition,
        epoch,
        fleet,
        clock,
        log,
        counts,
        prepare: (requests) => interest.prepare(requests.map(({ conversation }) => conversation)),
        push: (delivery) => push(delivery, { partition, epoch, position: holder.position ?? 0 }),
        setAside: ({ conversation, key }, position) =>
          trail.noteSetAside({ conversation, ...key, partition, position }),
        passedOver,
      });
      holders.set(partition, holder);
      return holder;
    },
  });

  async function followConnections(): Promise<void> {
    let backOffMs = backOffMsMin;
    while (!stopped.signal.aborted) {
      try {
        await interest.follow(stopped.signal, () => {
          backOffMs = backOffMsMin;
        });
      } catch (error) {
        if (stopped.signal.aborted) return;
        log.warn({ err: error }, "The Connection DB could not be followed; it is tried again.");
      }
      await clock.sleep(backOffMs, stopped.signal);
      backOffMs = Math.min(backOffMs * 2, backOffMsMax);
    }
  }

  async function lag(): Promise<number> {
    const behind = partitions.partitions.map(async (partition) => {
      const position = holders.get(partition)?.position;
      if (position === undefined) return 0;
      const behind = (await fleet.log.end(partition)) - position;
      // Where nothing is applied yet the first position says nothing: it may be any number.
      return position === 0 ? Math.min(1, behind) : Math.max(0, behind);
    });
    return (await Promise.all(behind)).reduce((sum, one) => sum + one, 0);
  }

  return {
    interest,
    look: (question) => lookAtWorker(trail, question),
    gauges: {
      partitionsHeld: () => partitions.partitions.length,
      applied: () => counts.applied,
      setAside: () => counts.setAside,
      lag,
    },
    async run() {
      ended ??= Promise.all([partitions.run(), followConnections(), fitness.run(stopped.signal)]);
      await ended;
    },
    async drain() {
      await partitions.drain();
      heads.stop();
      stopped.abort();
      await ended;
    },
    async stop() {
      heads.stop();
      stopped.abort();
      await partitions.stop();
      await ended;
    },
  };
}

const backOffMsMin = 50;
const backOffMsMax = 2_000;
