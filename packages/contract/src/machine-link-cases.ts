import { deepEqual, equal } from "node:assert/strict";
import type { MachineLink, MachineMessage } from "@tidings/core";
import { asMachineId, asSeq, type MachineId } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { LinkFixture } from "./link-contracts.ts";
import { fresh, times, upTo } from "./samples.ts";

/** The promises of `MachineLink`. */
export const machineLinkCases: readonly ContractCase<LinkFixture>[] = [
  {
    name: "hands one sender's messages to a machine in their order",
    async run({ link }) {
      const machine = freshMachine();
      const { received, stop } = receive(link, machine, 300);
      for (const round of upTo(3)) {
        for (const index of upTo(100)) link.send(machine, marked((round - 1) * 100 + index));
        await new Promise((resolve) => setImmediate(resolve));
      }
      deepEqual((await received).map(readSeqOf), upTo(300));
      stop();
    },
  },
  {
    name: "hands a message to the machine that it is for, and to no other",
    async run({ link }) {
      const machines = times(3, freshMachine);
      const receivers = machines.map((machine) => receive(link, machine, 1));
      for (const [index, machine] of machines.entries()) link.send(machine, marked(index + 1));
      for (const [index, { received }] of receivers.entries()) deepEqual(readSeqOf((await received)[0]!), index + 1);
      for (const { stop } of receivers) stop();
    },
  },
  {
    name: "does not run the receiver inside of the sender",
    async run({ link }) {
      const machine = freshMachine();
      let isSending = true;
      const stop = new AbortController();
      const received = new Promise<boolean>((resolve) => link.receive(machine, () => resolve(isSending), stop.signal));
      link.send(machine, marked(1));
      isSending = false;
      equal(await received, false);
      stop.abort();
    },
  },
  {
    name: "loses messages to a machine that nobody is at, without an error",
    async run({ link }) {
      const machine = freshMachine();
      link.send(machine, marked(1));
      const first = receive(link, machine, 1);
      link.send(machine, marked(2));
      deepEqual((await first.received).map(readSeqOf), [2]);
      first.stop();
      link.send(machine, marked(3));
      const second = receive(link, machine, 1);
      link.send(machine, marked(4));
      deepEqual((await second.received).map(readSeqOf), [4]);
      second.stop();
    },
  },
  {
    name: "hands to every machine what is sent to all, in the sender's order, and to none that has left",
    async run({ link }) {
      const [one, other, left] = times(3, freshMachine) as [MachineId, MachineId, MachineId];
      const [first, second, gone] = [receive(link, one, 3), receive(link, other, 2), receive(link, left, 1)];
      gone.stop();
      let wasTold = false;
      void gone.received.then(() => {
        wasTold = true;
      });
      link.sendToAll(marked(1));
      link.send(one, marked(2));
      link.sendToAll(marked(3));
      deepEqual((await first.received).map(readSeqOf), [1, 2, 3]);
      deepEqual((await second.received).map(readSeqOf), [1, 3]);
      equal(wasTold, false);
      for (const { stop } of [first, second]) stop();
      link.sendToAll(marked(4));
    },
  },
];

let machines = 0;
const freshMachine = (): MachineId => {
  machines += 1;
  return asMachineId(`machine-${machines}`);
};

const marked = (seq: number): MachineMessage => ({
  tell: "marked",
  user: fresh.user(),
  conversation: fresh.conversation(),
  readSeq: asSeq(seq),
});

const readSeqOf = (message: MachineMessage): number => (message.tell === "marked" ? message.readSeq : 0);

/** Receives for a machine; `received` resolves with the first so many messages. */
function receive(link: MachineLink, machine: MachineId, count: number) {
  const abort = new AbortController();
  const received = new Promise<readonly MachineMessage[]>((resolve) => {
    const messages: MachineMessage[] = [];
    const handle = (message: MachineMessage): void => {
      messages.push(message);
      if (messages.length === count) resolve(messages);
    };
    link.receive(machine, handle, abort.signal);
  });
  return { received, stop: () => abort.abort() };
}
