import {
  type AppendOutcome,
  type AppendRequest,
  type GroupStore,
  type Lease,
  type Leases,
  type LogBatch,
  type LogImage,
  type MessageStore,
  StaleEpochError,
} from "@tidings/core";
import { asSeq, type Entry, type MessageId } from "@tidings/protocol";
import type { IssuedSend } from "../clients/sim-client.ts";
import type { Engines } from "../engines/engine-server.ts";
import { messageKey, type Truth } from "./truth.ts";

type About = {
  readonly truth: Truth;
  readonly sends: ReadonlyMap<MessageId, IssuedSend>;
  readonly nowMs: () => number;
  readonly report: (promise: string, sentence: string) => void;
  readonly refusedStale: () => void;
  /** A journal is done again: what it stores is known, or was never answered. */
  readonly isReplaying: () => boolean;
};

/**
 * Looks at what the store takes and answers: entries (G2, G3, G4), and inside, that positions and epochs never go back. Placed
 * outside of every deliberate fault.
 */
export function observeStore(engines: Engines, about: About): Engines {
  const image = engines["image"] as LogImage;
  const messages = engines["messages"] as MessageStore;
  const groups = engines["groups"] as GroupStore;
  const partitions = new Map<number, { position: number; epoch: number }>();
  const lastIndex = new Map<string, number>();

  function note(request: AppendRequest, outcome: AppendOutcome | undefined): void {
    if (outcome?.outcome !== "appended") return;
    for (const [place, { json }] of request.drafts.entries()) {
      const seq = asSeq(outcome.firstSeq + place);
      const stored = `{"seq":${seq},${json.slice(1)}`;
      const entry = JSON.parse(stored) as Entry;
      const result = about.truth.add(request.conversation, { seq, json: stored, entry, storedAtMs: about.nowMs() });
      if (result === "another")
        about.report("G3", `${request.conversation} ${seq} was stored as something else before.`);
      if (result === "gap") about.report("G3", `${request.conversation} ${seq} was stored behind a hole.`);
      if (result === "new" && entry.kind === "message") noteMessage(request, entry);
    }
  }

  function noteMessage({ conversation }: AppendRequest, entry: Extract<Entry, { kind: "message" }>): void {
    const key = messageKey(conversation, entry.sender, entry.message_id);
    const before = about.truth.messages.get(key);
    if (before !== undefined) about.report("G2", `${key} is stored twice, as ${before} and as ${entry.seq}.`);
    else about.truth.messages.set(key, entry.seq);
    const send = about.sends.get(entry.message_id);
    if (send === undefined || before !== undefined) return;
    const session = `${send.client} ${send.incarnation} ${conversation}`;
    const last = lastIndex.get(session) ?? 0;
    if (send.index < last) {
      about.report("G4", `${key} is stored behind a message that ${send.client} sent after it.`);
    }
    lastIndex.set(session, Math.max(last, send.index));
  }

  const observedImage: LogImage = {
    ...image,
    async takeOver(partition, epoch) {
      const isReplay = about.isReplaying();
      try {
        const answer = await image.takeOver(partition, epoch);
        const seen = partitions.get(partition) ?? { position: 0, epoch: 0 };
        if (!isReplay && epoch < seen.epoch) {
          about.report("inside", `Partition ${partition} was taken over with epoch ${epoch} after ${seen.epoch}.`);
        }
        if (!isReplay && answer.position < seen.position) {
          about.report("inside", `Partition ${partition} was at ${seen.position} and is at ${answer.position}.`);
        }
        partitions.set(partition, { position: answer.position, epoch: Math.max(epoch, seen.epoch) });
        return answer;
      } catch (error) {
        if (error instanceof StaleEpochError && !isReplay) about.refusedStale();
        throw error;
      }
    },
    async apply(batch: LogBatch) {
      const isReplay = about.isReplaying();
      try {
        const outcomes = await image.apply(batch);
        const { partition, epoch, toPosition } = batch;
        const seen = partitions.get(partition) ?? { position: 0, epoch: 0 };
        if (!isReplay && epoch < seen.epoch) {
          about.report("inside", `Partition ${partition} was written with epoch ${epoch} after ${seen.epoch}.`);
        }
        if (!isReplay && toPosition <= seen.position) {
          about.report("inside", `Partition ${partition} was at ${seen.position} and went to ${toPosition}.`);
        }
        partitions.set(partition, { position: toPosition, epoch: Math.max(epoch, seen.epoch) });
        for (const [index, request] of batch.requests.entries()) note(request, outcomes[index]);
        return outcomes;
      } catch (error) {
        if (error instanceof StaleEpochError && !isReplay) about.refusedStale();
        throw error;
      }
    },
  };
  const observedMessages: MessageStore = {
    ...messages,
    async append(request) {
      const outcome = await messages.append(request);
      note(request, outcome);
      return outcome;
    },
  };
  const observedGroups: GroupStore = {
    ...groups,
    async apply(conversation, changes) {
      await groups.apply(conversation, changes);
      const last = changes.at(-1)?.seq ?? asSeq(0);
      if (last > (about.truth.folded.get(conversation) ?? 0)) about.truth.folded.set(conversation, last);
    },
  };
  return { ...engines, image: observedImage, messages: observedMessages, groups: observedGroups };
}

/** Looks at the leases: an epoch is given out once, and ascends. */
export function observeLeases(engines: Engines, about: About): Engines {
  const leases = engines["leases"] as Leases;
  const epochs = new Map<string, number>();
  const note = (name: string, lease: Lease | undefined, isReplay: boolean): Lease | undefined => {
    if (lease === undefined) return undefined;
    const last = epochs.get(name) ?? 0;
    if (!isReplay && lease.epoch <= last)
      about.report("inside", `The lease ${name} got epoch ${lease.epoch} after ${last}.`);
    epochs.set(name, Math.max(last, lease.epoch));
    return lease;
  };
  const observed: Leases = {
    ...leases,
    async acquire(name, holder, leaseMs) {
      const isReplay = about.isReplaying();
      return note(name, await leases.acquire(name, holder, leaseMs), isReplay);
    },
    async acquireUnder(name, under) {
      const isReplay = about.isReplaying();
      return note(name, await leases.acquireUnder(name, under), isReplay);
    },
  };
  return { ...engines, leases: observed };
}
