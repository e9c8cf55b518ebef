import type { DatabaseSync } from "node:sqlite";
import type { Marker } from "@tidings/core";
import type { ConversationId, NotifyMode, Seq, UserId } from "@tidings/protocol";
import { rowOf, rowsOf } from "./rows.ts";

const selectMarker = `SELECT read_seq AS readSeq, read_messages AS readMessages, notify FROM markers
  WHERE conversation = ? AND user_id = ?`;

export function createMarkerWrites(db: DatabaseSync) {
  const marker = db.prepare(selectMarker);
  const setRead = db.prepare(
    `INSERT INTO markers VALUES (?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE
     SET read_seq = excluded.read_seq, read_messages = excluded.read_messages WHERE excluded.read_seq > read_seq`,
  );
  const setNotify = db.prepare(
    "INSERT INTO markers VALUES (?, ?, 0, 0, ?) ON CONFLICT DO UPDATE SET notify = excluded.notify",
  );
  return {
    setRead(user: UserId, conversation: ConversationId, { seq, messages }: { seq: Seq; messages: number }): Marker {
      setRead.run(conversation, user, seq, messages);
      return markerOf(rowOf<Partial<Marker>>(marker, conversation, user));
    },
    setNotify(user: UserId, conversation: ConversationId, mode: NotifyMode): void {
      setNotify.run(conversation, user, mode);
    },
  };
}

export function createMarkerReads(db: DatabaseSync) {
  const marker = db.prepare(selectMarker);
  const modes = db.prepare("SELECT user_id AS user, notify FROM markers WHERE conversation = ? AND notify IS NOT NULL");
  return {
    markers: (user: UserId, conversations: readonly ConversationId[]): readonly Marker[] =>
      conversations.map((conversation) => markerOf(rowOf<Partial<Marker>>(marker, conversation, user))),
    notifyModes: (conversation: ConversationId): ReadonlyMap<UserId, NotifyMode> =>
      new Map(rowsOf<ModeRow>(modes, conversation).map(({ user, notify }) => [user, notify])),
  };
}

const markerOf = (row: Partial<Marker> | undefined): Marker => ({
  readSeq: row?.readSeq ?? (0 as Seq),
  readMessages: row?.readMessages ?? 0,
  notify: row?.notify,
});

type ModeRow = { readonly user: UserId; readonly notify: NotifyMode };
