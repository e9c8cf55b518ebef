import { type ArchivedNotification, ArchiveRefusedError, type ArchiveSource, type ChangeFeed } from "@tidings/core";
import type { ConversationId } from "@tidings/protocol";
import { createAccessService } from "../group-service/access-service.ts";
import { createNotifier, notifierName } from "../notifier/notifier.ts";
import type { MigrationOptions } from "./migrate.ts";

/** Consumer of the change feed whose work is not in what clients fetch anyway: what it is not done with has to be done (G9). */
const consumer = notifierName;
const changesMax = 1_000;

/** Which notifications belong to what the source's notifier was not done with. */
export type PendingRanges = { has(notification: ArchivedNotification): boolean };

export async function pendingRanges(source: ArchiveSource): Promise<PendingRanges> {
  const firsts = new Map<ConversationId, number>();
  for (let after = 0; ; ) {
    const changes = await source.pendingChanges(consumer, { after, limit: changesMax });
    for (const { conversation, fromSeq } of changes) {
      if (!firsts.has(conversation)) firsts.set(conversation, fromSeq);
    }
    const last = changes.at(-1);
    if (last === undefined) break;
    after = last.position;
  }
  return { has: ({ conversation, seq }) => seq >= (firsts.get(conversation) ?? Number.POSITIVE_INFINITY) };
}

/**
 * A server that was stopped may have stored messages that its notifier had not come to. The target's change feed begins after what was
 * copied and will never tell of them, so the notifier runs here, on the source's feed and the target's stores. What it has done before
 * is stored once. Answers with how many notifications there are more.
 */
export async function notifyPending({ source, base, links, signal, onStep }: MigrationOptions): Promise<number> {
  let handled = 0;
  let made = 0;
  let reachEnd = (): void => undefined;
  const end = new Promise<void>((resolve) => {
    reachEnd = resolve;
  });
  const feed: ChangeFeed = {
    async *changes(_consumer, ended) {
      for (let after = 0; ; ) {
        const changes = await source.pendingChanges(consumer, { after, limit: changesMax });
        const last = changes.at(-1);
        if (last === undefined || ended.aborted) break;
        yield changes;
        handled += changes.length;
        onStep({ stage: "Notifying of what the server had not come to", done: handled });
        after = last.position;
      }
      // To ask for more is to be done with all of it.
      reachEnd();
      if (!ended.aborted) await new Promise((resolve) => ended.addEventListener("abort", resolve));
    },
    advance: async () => undefined,
    positions: async () => ({ newest: 0, consumers: new Map() }),
  };
  const { notifications } = base.stores;
  const counted: typeof notifications = {
    put: async (wanted) => {
      const stored = await notifications.put(wanted);
      made += stored.length;
      return stored;
    },
    list: (user, request) => notifications.list(user, request),
    newest: (users) => notifications.newest(users),
  };
  const notifyingBase = { ...base, stores: { ...base.stores, notifications: counted, feed } };
  const { consumer: notifier } = createNotifier(notifyingBase, { access: createAccessService(notifyingBase), links });
  const interrupted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  const running = notifier.run();
  await Promise.race([end, interrupted]);
  await notifier.stop();
  await running;
  signal.throwIfAborted();
  if (notifier.setAside > 0) {
    throw new ArchiveRefusedError(
      `${notifier.setAside} changes could not be looked at for notifications; the log says why.`,
    );
  }
  return made;
}
