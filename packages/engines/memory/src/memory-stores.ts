import type { Stores } from "@tidings/core";
import { createMemoryAccountStore } from "./memory-account-store.ts";
import { createMemoryChangeFeed } from "./memory-change-feed.ts";
import { createMemoryGroupStore } from "./memory-group-store.ts";
import { createMemoryInviteStore } from "./memory-invite-store.ts";
import { createMemoryMarkerStore } from "./memory-marker-store.ts";
import { createMemoryMessageStore } from "./memory-message-store.ts";
import { createMemoryNotificationStore } from "./memory-notification-store.ts";

/** All databases of one installation in this process's memory: for tests and the simulator. Nothing outlives the process. */
export function createMemoryStores(): Stores {
  const { feed, note } = createMemoryChangeFeed();
  return {
    messages: createMemoryMessageStore(note),
    feed,
    groups: createMemoryGroupStore(),
    markers: createMemoryMarkerStore(),
    invites: createMemoryInviteStore(),
    accounts: createMemoryAccountStore(),
    notifications: createMemoryNotificationStore(),
  };
}
