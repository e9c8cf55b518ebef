import type { NewNotification, NotificationStore, StoredNotification } from "@tidings/core";
import type { Notification, UserId } from "@tidings/protocol";

export function createMemoryNotificationStore(): NotificationStore {
  const byUser = new Map<UserId, Notifications>();

  const put = ({ user, atMs, ...about }: NewNotification): readonly StoredNotification[] => {
    const own = byUser.get(user) ?? { list: [], stored: new Set() };
    byUser.set(user, own);
    const key = `${about.conversation} ${about.seq}`;
    if (own.stored.has(key)) return [];
    own.stored.add(key);
    const notification: Notification = { n: own.list.length + 1, ...about, at_ms: atMs };
    own.list.push(notification);
    return [{ user, notification }];
  };

  return {
    put: async (notifications) => notifications.flatMap(put),
    list: async (user, { after, limit }) => byUser.get(user)?.list.slice(after, after + limit) ?? [],
    newest: async (users) => users.map((user) => byUser.get(user)?.list.length ?? 0),
  };
}

type Notifications = {
  /** The notification numbered n is at index n - 1. */
  readonly list: Notification[];
  /** Conversation and seq of each. */
  readonly stored: Set<string>;
};
