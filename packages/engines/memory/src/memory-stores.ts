import type { LogImage, Stores } from "@tidings/core";
import { createMemoryAccountStore } from "./memory-account-store.ts";
import { createMemoryChangeFeed } from "./memory-change-feed.ts";
import { MemoryConversations } from "./memory-conversations.ts";
import { createMemoryGroupStore } from "./memory-group-store.ts";
import { createMemoryInviteStore } from "./memory-invite-store.ts";
import { createMemoryLogImage } from "./memory-log-image.ts";
import { createMemoryMarkerStore } from "./memory-marker-store.ts";
import { createMemoryMessageStore } from "./memory-message-store.ts";
import { createMemoryNotificationStore } from "./memory-notification-store.ts";

/** All databases of one installation in this process's memory: for tests and the simulator. Nothing outlives the process. */
export const createMemoryStores = (): Stores => createMemoryDatabases().stores;

/**
 * The same, with the Messaging DB also as the image of a Message Log. The stores are made again from a journal: every call that
 * writes is done by the time it returns its promise, and depends on nothing but the calls before it.
 */
export function createMemoryDatabases(): { readonly stores: Stores; readonly image: LogImage } {
  const { feed, note } = createMemoryChangeFeed();
  const conversations = new MemoryConversations(note);
  const stores: Stores = {
    messages: createMemoryMessageStore(conversations),
    feed,
    ...createMemoryGroupStore(),
    markers: createMemoryMarkerStore(),
    invites: createMemoryInviteStore(),
    accounts: createMemoryAccountStore(),
    notifications: createMemoryNotificationStore(),
  };
  return { stores, image: createMemoryLogImage(conversations) };
}
