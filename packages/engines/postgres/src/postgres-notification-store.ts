import { invariant, type NotificationStore } from "@tidings/core";
import type { Notification } from "@tidings/protocol";
import type { Database } from "./database.ts";

export function createPostgresNotificationStore(db: Database): NotificationStore {
  return {
    async put(notifications) {
      // Within one call the first of a kind counts; what is stored already, the database leaves out.
      const unique = [...new Map(notifications.toReversed().map((one) => [keyOf(one), one])).values()].reverse();
      if (unique.length === 0) return [];
      const rows = await db.write<{ place: number; n: number }>(
        putNotifications,
        unique.map(({ user }) => user),
        unique.map(({ reason }) => reason),
        unique.map(({ conversation }) => conversation),
        unique.map(({ seq }) => seq),
        unique.map(({ sender }) => sender),
        unique.map(({ atMs }) => atMs),
      );
      return rows.map(({ place, n }) => {
        const given = unique[place - 1];
        invariant(given !== undefined, "What was stored was given.");
        const { user, reason, conversation, seq, sender, atMs } = given;
        return { user, notification: { n, reason, conversation, seq, sender, at_ms: atMs } };
      });
    },
    list: (user, { after, limit }) => db.read<Notification>(selectAfter, user, after, limit),
    async newest(users) {
      if (users.length === 0) return [];
      return (await db.read<{ newest: number }>(selectNewest, users)).map(({ newest }) => newest);
    },
  };
}

const keyOf = ({ user, conversation, seq }: { user: string; conversation: string; seq: number }): string =>
  `${user} ${conversation} ${seq}`;

const putNotifications = {
  name: "put-notifications",
  text: "SELECT place, number AS n FROM put_notifications($1, $2, $3, $4, $5, $6)",
};
const selectAfter = {
  name: "notifications",
  text: `SELECT n, reason, conversation, seq, sender, at_ms FROM notifications
    WHERE user_id = $1 AND n > $2 ORDER BY n LIMIT $3`,
};
const selectNewest = {
  name: "newest-notifications",
  text: `SELECT coalesce(c.newest, 0) AS newest FROM unnest($1::text[]) WITH ORDINALITY AS u (user_id, place)
    LEFT JOIN notification_counts c ON c.user_id = u.user_id ORDER BY u.place`,
};
