import { type Clock, decodeLogRecord, type FleetEngines, partitionOf } from "@tidings/core";
import type { ConversationId, MessageId, UserId } from "@tidings/protocol";
import { partitionName } from "../messaging-worker/partition-leases.ts";
import type { PartitionState } from "./findings.ts";

export type LogLook = {
  /** How far the conversation's partition is applied, and who holds it. */
  stateOf(conversation: ConversationId): Promise<PartitionState>;
  /**
   * A message that is in the log and not applied. Undefined if it is not there; `unknown` if more waits than was looked at, or the log
   * did not give it in time.
   */
  find(wanted: {
    readonly messageId: MessageId;
    readonly sender?: UserId;
    readonly conversation?: ConversationId;
  }): Promise<Waiting | "unknown" | undefined>;
};

type Waiting = PartitionState & { readonly position: number };

/** Looks into the Message Log from outside, as a reader that applies nothing. */
export function createLogLook(fleet: FleetEngines, clock: Clock): LogLook {
  const { log, image, leases } = fleet;

  async function stateOf(conversation: ConversationId, partition = partitionOf(conversation, log.partitions)) {
    // The end last, so that it is never below what is applied.
    const appliedPosition = await image.position(partition);
    const name = partitionName(partition);
    const [endPosition, holders] = await Promise.all([log.end(partition), leases.holders(name)]);
    const holder = holders.get(name);
    return { conversation, partition, appliedPosition, endPosition, ...(holder !== undefined && { holder }) };
  }

  return {
    stateOf: (conversation) => stateOf(conversation),
    async find(wanted) {
      const { conversation } = wanted;
      const all = Array.from({ length: log.partitions }, (_, partition) => partition);
      const partitions = conversation === undefined ? all : [partitionOf(conversation, log.partitions)];
      const found = await Promise.all(partitions.map((partition) => findIn(partition, wanted)));
      return found.find((one) => typeof one === "object") ?? found.find((one) => one !== undefined);
    },
  };

  async function findIn(
    partition: number,
    { messageId, sender, conversation }: Parameters<LogLook["find"]>[0],
  ): Promise<Waiting | "unknown" | undefined> {
    const [applied, end] = await Promise.all([image.position(partition), log.end(partition)]);
    if (applied >= end) return undefined;
    const reading = new AbortController();
    const cancel = clock.after(readMs, () => reading.abort());
    let read = 0;
    try {
      for await (const records of log.read(partition, applied, reading.signal)) {
        for (const { position, body } of records) {
          for (const request of decodeLogRecord(body) ?? []) {
            const { key } = request;
            if (key.messageId !== messageId || (sender ?? key.sender) !== key.sender) continue;
            if ((conversation ?? request.conversation) !== request.conversation) continue;
            return { ...(await stateOf(request.conversation, partition)), position };
          }
          read += 1;
          if (position >= end) return undefined;
          if (read >= recordsReadMax) return "unknown";
        }
      }
      return "unknown";
    } finally {
      cancel();
      reading.abort();
    }
  }
}

const readMs = 2_000;
/** Of one partition. Who waits behind so many knows what is wrong. */
const recordsReadMax = 2_000;
