import type { AppendRequest, Stored } from "@tidings/core";
import type { ConversationId } from "@tidings/protocol";
import { type DecidedBatch, type KnownHead, keyText } from "./decide-batch.ts";

/** Conversations whose heads are kept; one takes about 250 bytes. */
const headsMax = 50_000;
/** Requests whose keys are kept, in two generations; one takes about 200 bytes. */
const keysMax = 50_000;

/**
 * What this process knows of conversations that it wrote to. Heads may be old, because somebody else wrote: whoever uses one has the
 * database compare it. Where a key is stored never changes, as long as the database does not go back: whoever begins again where the
 * database says that it is forgets everything first.
 */
export class KnownConversations {
  readonly #heads = new Map<ConversationId, KnownHead>();
  #keys = new Map<string, Stored>();
  #olderKeys = new Map<string, Stored>();

  head(conversation: ConversationId): KnownHead | undefined {
    return this.#heads.get(conversation);
  }

  stored(conversationKey: number, key: NonNullable<AppendRequest["key"]>): Stored | undefined {
    const text = keyText(conversationKey, key);
    return this.#keys.get(text) ?? this.#olderKeys.get(text);
  }

  /** A batch is committed. */
  note({ changed, entries }: DecidedBatch): void {
    for (const { conversation, now } of changed) {
      // Those written to last stay.
      this.#heads.delete(conversation);
      this.#heads.set(conversation, now);
    }
    for (const conversation of this.#heads.keys()) {
      if (this.#heads.size <= headsMax) break;
      this.#heads.delete(conversation);
    }
    for (const { conversationKey, sender, messageId, seq, atMs } of entries) {
      if (messageId === "") continue;
      this.#keys.set(`${conversationKey} ${sender} ${messageId}`, { seq: seq as Stored["seq"], atMs });
    }
    if (this.#keys.size <= keysMax / 2) return;
    this.#olderKeys = this.#keys;
    this.#keys = new Map();
  }

  /** A standby that lacks the last commits may have taken over, or a backup may have come back. */
  forgetAll(): void {
    this.#heads.clear();
    this.#keys = new Map();
    this.#olderKeys = new Map();
  }

  /** Nobody knows what became of a batch. */
  forget(conversations: Iterable<ConversationId>): void {
    for (const conversation of conversations) this.#heads.delete(conversation);
  }
}
