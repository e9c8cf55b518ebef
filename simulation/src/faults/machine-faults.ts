import type { ConnectionDirectory, GroupStore, Head, Membership, MembershipIndex, MessageStore } from "@tidings/core";
import { asSeq, type ConversationId } from "@tidings/protocol";
import type { Fault } from "./fault.ts";

export const lookupBeforeRegister: Fault = {
  name: "lookup-before-register",
  mistake: "A machine goes on to read before its row is in the Connection DB, where it comes some seconds later.",
  ports: (ports, { process }) => {
    const { connections } = ports;
    const add: ConnectionDirectory["add"] = async (user, machine) => {
      process.clock.after(lateMs, () => {
        connections.add(user, machine).catch(() => undefined);
      });
    };
    return { ...ports, connections: { ...connections, add } };
  },
};
const lateMs = 6_000;

export const resumeTrustsMachine: Fault = {
  name: "resume-trusts-machine",
  mistake: "A client that comes back is answered from what its machine has heard of, not from the store.",
  ports: (ports, about) => {
    const { messages } = ports.stores;
    const known = new Map<ConversationId, Head>();
    heardBy.set(about.process, known);
    const heads: MessageStore["heads"] = async (conversations) => {
      const missing = conversations.filter((one) => !known.has(one));
      if (missing.length > 0) for (const [id, head] of await messages.heads(missing)) known.set(id, head);
      return new Map(conversations.flatMap((one) => (known.has(one) ? [[one, known.get(one) as Head]] : [])));
    };
    return { ...ports, stores: { ...ports.stores, messages: { ...messages, heads } } };
  },
  link: (link, { process }) => ({
    ...link,
    receive: (machine, handler, signal) =>
      link.receive(
        machine,
        (message) => {
          if (message.tell === "delivery") {
            const { conversation, entries } = message.delivery;
            const head = heardBy.get(process)?.get(conversation);
            const last = entries.at(-1);
            if (head !== undefined && last !== undefined && last.seq > head.head) {
              const changed = entries.filter(({ kind }) => kind !== "message").at(-1);
              const groupSeq = asSeq(Math.max(head.groupSeq, changed?.seq ?? 0));
              heardBy.get(process)?.set(conversation, { ...head, head: last.seq, groupSeq });
            }
          }
          handler(message);
        },
        signal,
      ),
  }),
};
/** What the machine in a process has heard of. */
const heardBy = new WeakMap<object, Map<ConversationId, Head>>();

export const deliverToRemoved: Fault = {
  name: "deliver-to-removed",
  mistake: "A membership is remembered, and its end is not noticed.",
  ports: (ports) => {
    const { groups, memberships } = ports.stores;
    const asBefore = (membership: Membership | undefined): Membership | undefined => {
      if (membership === undefined || membership.state === "active") return membership;
      const { endedSeq: _, ...before } = membership;
      return { ...before, state: "active" };
    };
    const membership: GroupStore["membership"] = async (...args) => asBefore(await groups.membership(...args));
    const conversationsOf: MembershipIndex["conversationsOf"] = async (user, options) => {
      const found = await memberships.conversationsOf(user, options);
      return found.map((one) => ({ ...one, membership: asBefore(one.membership) as Membership }));
    };
    return {
      ...ports,
      stores: { ...ports.stores, groups: { ...groups, membership }, memberships: { ...memberships, conversationsOf } },
    };
  },
};

export const interestNotRebuilt: Fault = {
  name: "interest-not-rebuilt",
  mistake: "A worker that starts follows what changes in the Connection DB, and does not read what is there.",
  ports: (ports) => {
    const { connections } = ports;
    async function* watch(signal: AbortSignal) {
      let isFirst = true;
      for await (const events of connections.watch(signal)) {
        yield isFirst ? [] : events;
        isFirst = false;
      }
    }
    return { ...ports, connections: { ...connections, watch } };
  },
};
