import type { DatabaseSync } from "node:sqlite";
import type { NewNotification, StoredNotification } from "@tidings/core";
import type { Notification, UserId } from "@tidings/protocol";
import { rowsOf } from "./rows.ts";

const selectNewest = "SELECT max(n) AS newest FROM notifications WHERE user_id = ?";

export function createNotificationWrites(db: DatabaseSync) {
  const newest = db.prepare(selectNewest);
  const insert = db.prepare(
    "INSERT INTO notifications VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, conversation, seq) DO NOTHING",
  );
  return {
    putNotifications: (notifications: readonly NewNotification[]): readonly StoredNotification[] =>
      notifications.flatMap(({ user, reason, conversation, seq, sender, atMs }) => {
        const n = Number(newest.get(user)?.["newest"] ?? 0) + 1;
        if (insert.run(user, n, reason, conversation, seq, sender, atMs).changes === 0) return [];
        return [{ user, notification: { n, reason, conversation, seq, sender, at_ms: atMs } }];
      }),
  };
}

export function createNotificationReads(db: DatabaseSync) {
  const newest = db.prepare(selectNewest);
  const list = db.prepare(
    `SELECT n, reason, conversation, seq, sender, at_ms FROM notifications
     WHERE user_id = ? AND n > ? ORDER BY n LIMIT ?`,
  );
  return {
    notifications: (user: UserId, { after, limit }: { after: number; limit: number }): readonly Notification[] =>
      rowsOf(list, user, after, limit),
    newestNotifications: (users: readonly UserId[]): readonly number[] =>
      users.map((user) => Number(newest.get(user)?.["newest"] ?? 0)),
  };
}
