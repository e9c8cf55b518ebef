import type { AppendOutcome, EncodedEntry, Head, LogBatch, LoggedKey, Stored } from "@tidings/core";
import type { ConversationId } from "@tidings/protocol";
import { MessageStoreModel } from "./message-store-model.ts";

/** What a LogImage is to its callers: the model of a MessageStore, and two numbers for each partition. */
export class LogImageModel {
  readonly #store = new MessageStoreModel();
  readonly #partitions = new Map<number, { position: number; epoch: number }>();
  readonly #found = new Map<string, Stored>();

  takeOver(partition: number, epoch: number): { position: number } | "stale" {
    const kept = this.#of(partition);
    if (epoch < kept.epoch) return "stale";
    kept.epoch = epoch;
    return { position: kept.position };
  }

  apply(batch: LogBatch): readonly AppendOutcome[] | "stale" | "wrong position" {
    const kept = this.#of(batch.partition);
    if (batch.epoch < kept.epoch) return "stale";
    if (batch.afterPosition !== kept.position) return "wrong position";
    kept.epoch = batch.epoch;
    kept.position = batch.toPosition;
    return batch.requests.map((request) => {
      const outcome = this.#store.append(request);
      if (outcome.outcome === "appended") {
        const name = nameOf({ conversation: request.conversation, ...request.key });
        this.#found.set(name, { seq: outcome.firstSeq, atMs: request.drafts[0]!.atMs });
      }
      return outcome;
    });
  }

  position = (partition: number): number => this.#of(partition).position;
  find = (keys: readonly LoggedKey[]): readonly (Stored | undefined)[] =>
    keys.map((key) => this.#found.get(nameOf(key)));
  entries = (conversation: ConversationId): readonly EncodedEntry[] => this.#store.entries(conversation);
  head = (conversation: ConversationId): Head | undefined => this.#store.head(conversation);

  #of(partition: number): { position: number; epoch: number } {
    const kept = this.#partitions.get(partition) ?? { position: 0, epoch: 0 };
    this.#partitions.set(partition, kept);
    return kept;
  }
}

const nameOf = ({ conversation, sender, messageId }: LoggedKey): string => `${conversation} ${sender} ${messageId}`;
