import type { Marker, MarkerStore } from "@tidings/core";
import type { NotifyMode, Seq, UserId } from "@tidings/protocol";
import type { Database } from "./database.ts";

export function createPostgresMarkerStore(db: Database): MarkerStore {
  return {
    async markers(user, conversations) {
      if (conversations.length === 0) return [];
      return (await db.read<Partial<Marker>>(selectMarkers, conversations, user)).map(markerOf);
    },
    async setRead(user, conversation, { seq, messages }) {
      const [row] = await db.write<Partial<Marker>>(setRead, conversation, user, seq, messages);
      return markerOf(row ?? {});
    },
    async setNotify(user, conversation, mode) {
      await db.write(setNotify, conversation, user, mode);
    },
    async notifyModes(conversation) {
      const rows = await db.read<{ user: UserId; notify: NotifyMode }>(selectModes, conversation);
      return new Map(rows.map(({ user, notify }) => [user, notify]));
    },
  };
}

const markerOf = ({ readSeq = 0 as Seq, readMessages = 0, notify }: Partial<Marker>): Marker => ({
  readSeq,
  readMessages,
  notify,
});

const columns = `m.read_seq AS "readSeq", m.read_messages AS "readMessages", m.notify`;
const selectMarkers = {
  name: "markers",
  text: `SELECT ${columns} FROM unnest($1::text[]) WITH ORDINALITY AS a (conversation, place)
    LEFT JOIN markers m ON m.conversation = a.conversation AND m.user_id = $2 ORDER BY a.place`,
};
const setRead = {
  name: "set-read",
  text: `INSERT INTO markers AS m VALUES ($1, $2, $3, $4, NULL) ON CONFLICT (conversation, user_id) DO UPDATE SET
      read_seq = greatest(m.read_seq, excluded.read_seq),
      read_messages = CASE WHEN excluded.read_seq > m.read_seq THEN excluded.read_messages ELSE m.read_messages END
    RETURNING ${columns}`,
};
const setNotify = {
  name: "set-notify",
  text: `INSERT INTO markers VALUES ($1, $2, 0, 0, $3)
    ON CONFLICT (conversation, user_id) DO UPDATE SET notify = excluded.notify`,
};
const selectModes = {
  name: "notify-modes",
  text: `SELECT user_id AS "user", notify FROM markers WHERE conversation = $1 AND notify IS NOT NULL`,
};
