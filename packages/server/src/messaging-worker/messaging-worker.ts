import type { MachineId, UserId } from "@tidings/protocol";
import type { Delivery, Links, QueuedDelivery } from "@tidings/core";
import type { WorkerTrail } from "../explain/worker-trail.ts";
import type { Base, Running } from "../services.ts";

/**
 * The Messaging Worker: takes deliveries from the queue, finds the machines that hold the recipients' sockets, and sends each of
 * them one copy (design, 4.3). The Receive Service there finds the sockets itself.
 */
export function createMessagingWorker(base: Base, links: Links, trail?: WorkerTrail): Running {
  const { clock, log } = base;
  const stopped = new AbortController();
  let ended: Promise<void> | undefined;

  async function follow(): Promise<void> {
    let backOffMs = backOffMsMin;
    while (!stopped.signal.aborted) {
      try {
        for await (const batch of links.deliveries.take(stopped.signal)) {
          await send(batch);
          backOffMs = backOffMsMin;
        }
      } catch (error) {
        if (stopped.signal.aborted) return;
        log.warn({ err: error }, "Deliveries could not be sent; it is tried again.");
        await clock.sleep(backOffMs, stopped.signal);
        backOffMs = Math.min(backOffMs * 2, backOffMsMax);
      }
    }
  }

  async function send(batch: readonly QueuedDelivery[]): Promise<void> {
    let index = 0;
    while (index < batch.length) {
      const { delivery } = batch[index] as QueuedDelivery;
      // The chunks of one delivery stand side by side; a machine in several of them gets one copy.
      const recipientsAt = new Map<MachineId, (readonly UserId[])[]>();
      for (; index < batch.length && batch[index]?.delivery === delivery; index++) {
        const { recipients } = batch[index] as QueuedDelivery;
        for (const machine of await links.connections.machinesOf(recipients)) {
          const chunks = recipientsAt.get(machine);
          if (chunks === undefined) recipientsAt.set(machine, [recipients]);
          else chunks.push(recipients);
        }
      }
      for (const [machine, chunks] of recipientsAt) sendToMachine(machine, delivery, chunks);
      const { conversation, fromSeq, entries } = delivery;
      const toSeq = entries.at(-1)?.seq ?? fromSeq;
      trail?.noteRouted({ conversation, fromSeq, toSeq, machines: [...recipientsAt.keys()] });
    }
  }

  function sendToMachine(machine: MachineId, delivery: Delivery, chunks: readonly (readonly UserId[])[]): void {
    const recipients = chunks.length === 1 ? (chunks[0] ?? []) : chunks.flat();
    links.machines.send(machine, { tell: "delivery", delivery, recipients });
  }

  return {
    run() {
      ended ??= follow();
      return ended;
    },
    /** What waits in the queue is pushed to nobody who stays: the machine's sessions are gone by then, and sync elsewhere. */
    async drain() {
      stopped.abort();
      await ended;
    },
    async stop() {
      stopped.abort();
      await ended;
    },
  };
}

const backOffMsMin = 100;
const backOffMsMax = 5_000;
