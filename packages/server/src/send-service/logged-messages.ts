import { asMessageId, asSeq, asUserId } from "@tidings/protocol";
import {
  type AppendOutcome,
  type AppendRequest,
  type Clock,
  type FleetEngines,
  type LoggedKey,
  type LoggedRequest,
  type MessageStore,
  partitionOf,
  type Random,
  type Stored,
} from "@tidings/core";
import { AppliedPositions } from "./applied-positions.ts";
import { KeyFinder } from "./key-finder.ts";
import { LogPacker } from "./log-packer.ts";

/** Durable in the log, and not sequenced yet. */
export type Logged = { readonly outcome: "logged"; readonly atMs: number };

/** A message of one sender: one draft, with its key, without a condition. */
export type KeyedMessage = AppendRequest & { readonly key: NonNullable<AppendRequest["key"]> };

export type LoggedMessages = {
  /**
   * Resolves when the message is durable (G1): `logged`, or `duplicate` with the original position if it was stored before (G2). One
   * that was sent before and is still on its way through the log is `logged` again, and stored once. Rejects with `busy`, `unavailable`.
   */
  take(message: KeyedMessage): Promise<AppendOutcome | Logged>;
  /**
   * The Messaging DB with an `append` that goes through the log and resolves when it was applied, as MessageStore
   * promises. Everything else reads the database.
   */
  readonly messages: MessageStore;
  /** Resolves when everything that was taken is durable, or refused. */
  drain(): Promise<void>;
  /** Requests that wait for their record. */
  readonly waiting: number;
};

/**
 * The writing side of the log pipeline: every request that writes entries goes to the Message Log. Seq is a pure function
 * of the log's order, so that what was decided here is not known before a Messaging Worker has applied it.
 */
export function createLoggedMessages(options: {
  messages: MessageStore;
  fleet: FleetEngines;
  clock: Clock;
  random: Random;
}): LoggedMessages {
  const { messages, fleet, clock, random } = options;
  const { log, image } = fleet;
  const packers = Array.from({ length: log.partitions }, (_, partition) => new LogPacker(log, partition));
  const finder = new KeyFinder({ image, clock });
  const positions = new AppliedPositions({ image, clock });

  async function take(message: KeyedMessage): Promise<AppendOutcome | Logged> {
    // Asked while the record is on its way, so that it holds nobody up, and once for all that is in it.
    let finding: Promise<Stored | undefined> | undefined;
    await packerOf(message).packer.append(message, () => {
      finding = finder.findSoon(keyOf(message));
    });
    const stored = await finding;
    if (stored !== undefined) return { outcome: "duplicate", ...stored };
    return { outcome: "logged", atMs: message.drafts[0]?.atMs ?? clock.nowMs() };
  }

  async function append(request: AppendRequest): Promise<AppendOutcome> {
    const { key } = request;
    if (key !== undefined) {
      const before = await finder.find(keyOf({ ...request, key }));
      if (before !== undefined) return { outcome: "duplicate", ...before };
      return appendKeyed({ ...request, key });
    }
    const outcome = await appendKeyed({ ...request, key: drawKey() });
    if (outcome.outcome !== "duplicate") return outcome;
    // The key was drawn for this request: what has it was appended by it.
    const lastSeq = asSeq(outcome.seq + request.drafts.length - 1);
    return { outcome: "appended", firstSeq: outcome.seq, lastSeq };
  }

  async function appendKeyed(request: LoggedRequest): Promise<AppendOutcome> {
    const { packer, partition } = packerOf(request);
    await positions.reached(partition, await packer.append(request));
    const stored = await finder.find(keyOf(request));
    if (stored !== undefined) return { outcome: "duplicate", ...stored };
    const head = (await messages.heads([request.conversation])).get(request.conversation);
    return { outcome: "conflict", groupSeq: head?.groupSeq ?? asSeq(0) };
  }

  function packerOf({ conversation }: AppendRequest): { packer: LogPacker; partition: number } {
    const partition = partitionOf(conversation, log.partitions);
    return { packer: packers[partition] as LogPacker, partition };
  }

  function drawKey(): LoggedRequest["key"] {
    return { sender: nobody, messageId: asMessageId(random.unguessable(26)) };
  }

  return {
    take,
    messages: {
      append,
      entries: (range) => messages.entries(range),
      heads: (conversations) => messages.heads(conversations),
      messagesUpTo: (points) => messages.messagesUpTo(points),
    },
    async drain() {
      await Promise.all(packers.map((packer) => packer.drain()));
    },
    get waiting() {
      return packers.reduce((sum, packer) => sum + packer.waiting, 0);
    },
  };
}

/** `~` is in no user's id, so that no message's key is ever one that was drawn. */
const nobody = asUserId("~");

function keyOf({ conversation, key }: LoggedRequest): LoggedKey {
  return { conversation, sender: key.sender, messageId: key.messageId };
}
