import type { NotificationStore } from "@tidings/core";
import type { UserId } from "@tidings/protocol";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** Users whose newest number is kept; one takes about 100 bytes. */
const keptUsersMax = 100_000;

/**
 * Every sync asks for the number of the user's newest notification, and hardly any brings a new one: the numbers are
 * kept here. They only grow and are only given by this process, so the highest one seen is the newest.
 */
export function createSqliteNotificationStore({
  writer,
  reader,
}: {
  writer: Writer;
  reader: Reader;
}): NotificationStore {
  const newest = new Map<UserId, number>();
  let clears = 0;

  const note = (user: UserId, n: number): number => {
    const known = newest.get(user);
    if (known !== undefined && known >= n) return known;
    if (newest.size >= keptUsersMax) {
      newest.clear();
      clears += 1;
    }
    newest.set(user, n);
    return n;
  };

  return {
    async put(notifications) {
      const stored = await writer.call("putNotifications", notifications);
      for (const { user, notification } of stored) note(user, notification.n);
      return stored;
    },

    list: (user, request) => reader.call("notifications", user, request),

    async newest(users) {
      if (users.every((user) => newest.has(user))) return users.map((user) => newest.get(user) ?? 0);
      const clearsBefore = clears;
      const read = await reader.call("newestNotifications", users);
      // What was read before a clearing may be older than what was cleared; it is answered, as it was true, but not kept.
      return users.map((user, index) => (clears === clearsBefore ? note(user, read[index] ?? 0) : (read[index] ?? 0)));
    },
  };
}
