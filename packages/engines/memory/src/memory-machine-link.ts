import { invariant, type MachineLink, type MachineMessage } from "@tidings/core";
import type { MachineId } from "@tidings/protocol";

/** Messages that wait for one machine within one turn; more are lost, and repaired by heads and sync (G8). */
export const machineMessagesMax = 10_000;

/** Hands messages over in the same process, a turn later, so that a receiver never runs inside of a sender. */
export function createMemoryMachineLink(): MachineLink {
  const receivers = new Map<MachineId, Receiver>();

  const send = (receiver: Receiver, message: MachineMessage): void => {
    if (receiver.waiting.length >= machineMessagesMax) return;
    receiver.waiting.push(message);
    if (receiver.waiting.length === 1) queueMicrotask(() => handOver(receiver));
  };

  return {
    send(machine, message) {
      const receiver = receivers.get(machine);
      if (receiver !== undefined) send(receiver, message);
    },
    sendToAll(message) {
      for (const receiver of receivers.values()) send(receiver, message);
    },
    receive(machine, handler, signal) {
      if (signal.aborted) return;
      invariant(!receivers.has(machine), "One receiver at a time speaks for a machine.");
      const receiver: Receiver = { handler, waiting: [], signal };
      receivers.set(machine, receiver);
      signal.addEventListener("abort", () => receivers.delete(machine), { once: true });
    },
  };
}

type Receiver = {
  readonly handler: (message: MachineMessage) => void;
  readonly signal: AbortSignal;
  waiting: MachineMessage[];
};

function handOver(receiver: Receiver): void {
  const { waiting } = receiver;
  receiver.waiting = [];
  for (const message of waiting) {
    if (receiver.signal.aborted) return;
    receiver.handler(message);
  }
}
