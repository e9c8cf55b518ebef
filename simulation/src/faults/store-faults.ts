import type { AppendOutcome, LogBatch, LogImage, MessageStore } from "@tidings/core";
import { asMessageId } from "@tidings/protocol";
import type { Fault } from "./fault.ts";

export const noEpochCheck: Fault = {
  name: "no-epoch-check",
  mistake: "The store takes a batch from whoever brings it, also from a holder whose lease has long been another's.",
  engines: (engines) => {
    const image = engines["image"] as LogImage | undefined;
    if (image === undefined) return engines;
    // The one that checks is told that it is always the same holder.
    const lax: LogImage = {
      ...image,
      takeOver: (partition) => image.takeOver(partition, 1),
      apply: (batch) => image.apply({ ...batch, epoch: 1 }),
    };
    return { ...engines, image: lax };
  },
};

export const positionApart: Fault = {
  name: "position-apart",
  mistake: "The position is stored first and the entries after it, in two transactions.",
  ports: (ports) => {
    const { image } = ports.fleet;
    const { messages } = ports.stores;
    const apply = async (batch: LogBatch): Promise<readonly AppendOutcome[]> => {
      await image.apply({ ...batch, requests: [] });
      const outcomes: AppendOutcome[] = [];
      for (const request of batch.requests) outcomes.push(await messages.append(request));
      return outcomes;
    };
    return { ...ports, fleet: { ...ports.fleet, image: { ...image, apply } } };
  },
};

export const duplicateWindow: Fault = {
  name: "duplicate-window",
  mistake: "Who sent what is remembered for two seconds, because nobody repeats himself later than that.",
  engines: (engines, { nowMs }) => {
    const image = engines["image"] as LogImage | undefined;
    if (image === undefined) return engines;
    const seen = new Map<string, { atMs: number; times: number }>();
    const forgetful: LogImage = {
      ...image,
      apply: (batch) =>
        image.apply({
          ...batch,
          requests: batch.requests.map((request) => {
            const { conversation, key } = request;
            const name = `${conversation} ${key.sender} ${key.messageId}`;
            const before = seen.get(name);
            if (before !== undefined && nowMs() - before.atMs <= windowMs) return request;
            const times = (before?.times ?? 0) + 1;
            seen.set(name, { atMs: nowMs(), times });
            // Under another name, as if the first had never been.
            return times === 1
              ? request
              : { ...request, key: { ...key, messageId: asMessageId(`${key.messageId}#${times}`) } };
          }),
        }),
    };
    return { ...engines, image: forgetful };
  },
};

const windowMs = 2_000;

export const seqFromClock: Fault = {
  name: "seq-from-clock",
  mistake: "What came together is put into the order of the senders' clocks.",
  ports: (ports) => {
    const { image } = ports.fleet;
    const apply = async (batch: LogBatch): Promise<readonly AppendOutcome[]> => {
      const order = batch.requests
        .map((request, index) => ({ request, index }))
        .sort((a, b) => (a.request.drafts[0]?.atMs ?? 0) - (b.request.drafts[0]?.atMs ?? 0));
      const outcomes = await image.apply({ ...batch, requests: order.map(({ request }) => request) });
      const inOrder: AppendOutcome[] = [];
      for (const [place, { index }] of order.entries()) inOrder[index] = outcomes[place] as AppendOutcome;
      return inOrder;
    };
    return { ...ports, fleet: { ...ports.fleet, image: { ...image, apply } } };
  },
};

export const noHeads: Fault = {
  name: "no-heads",
  mistake: "Nobody tells heads, and a machine believes for a minute what it once read of them.",
  link: (link) => ({
    ...link,
    send: (machine, message) => (message.tell === "heads" ? undefined : link.send(machine, message)),
  }),
  ports: (ports, { process }) => {
    const { messages } = ports.stores;
    const remembered = new Map<string, { untilMs: number; head: Awaited<ReturnType<MessageStore["heads"]>> }>();
    const heads: MessageStore["heads"] = async (conversations) => {
      const nowMs = process.clock.monotonicMs();
      const name = conversations.join(" ");
      const known = remembered.get(name);
      if (known !== undefined && nowMs < known.untilMs) return known.head;
      const head = await messages.heads(conversations);
      remembered.set(name, { untilMs: nowMs + 60_000, head });
      return head;
    };
    return { ...ports, stores: { ...ports.stores, messages: { ...messages, heads } } };
  },
};
