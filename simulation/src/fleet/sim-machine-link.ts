import type { MachineLink, MachineMessage } from "@tidings/core";
import type { MachineId } from "@tidings/protocol";
import type { Network } from "../kernel/network.ts";
import type { SimProcess } from "../kernel/sim-process.ts";

/** Who receives for which machine: what a broker's subjects would be. */
export class MachineSubjects {
  readonly receivers = new Map<MachineId, { process: SimProcess; handler: (message: MachineMessage) => void }>();
  /** Hears of every message that is sent: for checkers. */
  onSent: ((from: SimProcess, machine: MachineId, message: MachineMessage) => void) | undefined;
}

/** The way from one process to machines: it loses, and may bring a message twice, but keeps the order of its sender. */
export function createSimMachineLink(network: Network, subjects: MachineSubjects, from: SimProcess): MachineLink {
  const { timeline } = network;
  const lastArrivalMs = new Map<MachineId, number>();

  function send(machine: MachineId, message: MachineMessage): void {
    subjects.onSent?.(from, machine, message);
    const receiver = subjects.receivers.get(machine);
    if (receiver === undefined) return;
    const delayMs = network.transit(from, receiver.process);
    if (delayMs === undefined) return;
    const arrivalMs = Math.max(lastArrivalMs.get(machine) ?? 0, timeline.nowMs + delayMs);
    lastArrivalMs.set(machine, arrivalMs);
    receiver.process.at(arrivalMs, () => receiver.handler(message));
    if (network.doubles()) receiver.process.at(arrivalMs, () => receiver.handler(message));
  }

  return {
    send,
    sendToAll(message) {
      for (const machine of subjects.receivers.keys()) send(machine, message);
    },
    receive(machine, handler, signal) {
      if (signal.aborted) return;
      subjects.receivers.set(machine, { process: from, handler });
      const end = (): void => {
        subjects.receivers.delete(machine);
      };
      signal.addEventListener("abort", end, { once: true });
      from.onDeath(end);
    },
  };
}
