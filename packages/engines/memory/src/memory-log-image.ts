import { invariant, keysAtOnceMax, type LogImage, StaleEpochError, WrongPositionError } from "@tidings/core";
import type { MemoryConversations } from "./memory-conversations.ts";

/**
 * Each call is done as a whole before it returns its promise, which makes it atomic; calls made again in their order make the
 * same image.
 */
export function createMemoryLogImage(conversations: MemoryConversations): LogImage {
  const partitions = new Map<number, Applied>();
  const appliedOf = (partition: number): Applied => partitions.get(partition) ?? { position: 0, epoch: 0 };
  const checkEpoch = (partition: number, epoch: number): void => {
    const seen = appliedOf(partition).epoch;
    if (epoch < seen)
      throw new StaleEpochError(`Partition ${partition} is held with epoch ${seen}, not with ${epoch}.`);
  };

  return {
    async takeOver(partition, epoch) {
      checkEpoch(partition, epoch);
      const { position } = appliedOf(partition);
      partitions.set(partition, { position, epoch });
      return { position };
    },
    async apply({ partition, epoch, afterPosition, toPosition, requests }) {
      checkEpoch(partition, epoch);
      const { position } = appliedOf(partition);
      if (position !== afterPosition) {
        throw new WrongPositionError(
          `Partition ${partition} is applied up to ${position}, not up to ${afterPosition}.`,
        );
      }
      invariant(toPosition >= afterPosition, "A position never moves back.");
      // Before anything is stored, because a batch is applied as a whole or not at all.
      for (const { drafts } of requests) invariant(drafts.length > 0, "An append has at least one draft.");
      partitions.set(partition, { position: toPosition, epoch });
      return requests.map((request) => conversations.append(request));
    },
    position: async (partition) => appliedOf(partition).position,
    async find(keys) {
      invariant(keys.length <= keysAtOnceMax, "Not more keys at once than the port says.");
      return keys.map((key) => conversations.find(key));
    },
  };
}

type Applied = { readonly position: number; readonly epoch: number };
