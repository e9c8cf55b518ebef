import type { LoggedKey, MessageStore, Stored } from "@tidings/core";
import { asSeq } from "@tidings/protocol";

/** Where messages of these keys are stored, in the order of the keys; at most `keysAtOnceMax`. */
export type FindKeys = (keys: readonly LoggedKey[]) => Promise<readonly (Stored | undefined)[]>;

/**
 * For a store without a log: an append whose condition never holds stores nothing, and the store looks at its key before the
 * condition, so it answers where the key was stored.
 */
export function createKeyLookUp(messages: Pick<MessageStore, "append">): FindKeys {
  return (keys) =>
    Promise.all(
      keys.map(async ({ conversation, sender, messageId }) => {
        const outcome = await messages.append({
          conversation,
          drafts: [{ kind: "message", atMs: 0, json: "{}" }],
          key: { sender, messageId },
          ifGroupSeq: asSeq(Number.MAX_SAFE_INTEGER),
        });
        return outcome.outcome === "duplicate" ? { seq: outcome.seq, atMs: outcome.atMs } : undefined;
      }),
    );
}
