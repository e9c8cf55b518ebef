import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { ArchiveIdentity } from "@tidings/core";
import { newestPosition } from "./append-entries.ts";

/**
 * Which installation a database is, and in which state. The origin is what never changes: the first entry of the conversation that was made
 * first, or, where nobody has said anything, the first account. The state is everything that a server changes; of what is
 * many, sums stand for it: entries are only ever added, and so are notifications.
 */
export function identityOf(db: DatabaseSync): ArchiveIdentity {
  return { origin: hashOf(firstsOf(db)), state: hashOf({ newest: newestPosition(db), ...statesOf(db) }) };
}

function firstsOf(db: DatabaseSync): unknown {
  const conversation = db.prepare("SELECT key, conversation FROM conversations ORDER BY key LIMIT 1").get();
  const account = db.prepare("SELECT user_id FROM accounts ORDER BY created_at_ms, user_id LIMIT 1").get();
  if (conversation === undefined) return { account };
  const key = conversation["key"] ?? null;
  const entry =
    db.prepare("SELECT json FROM entries WHERE conversation_key = ? AND seq = 1").get(key) ??
    db.prepare("SELECT json FROM recent_entries WHERE conversation_key = ? AND seq = 1").get(key);
  return { conversation: conversation["conversation"], entry: entry?.["json"] };
}

const sums = {
  conversations: "count(*), sum(head), sum(group_seq), sum(messages) FROM conversations",
  memberships: "count(*), sum(joined_seq), sum(ended_seq) FROM memberships",
  groups: "count(*), sum(applied_seq) FROM groups",
  markers: "count(*), sum(read_seq), sum(read_messages), sum(length(notify)), count(notify) FROM markers",
  invites: "count(*), sum(uses), sum(revoked) FROM invites",
  inviteUses: "count(*), sum(joined_seq), sum(pending) FROM invite_uses",
  tokens: "count(*), count(revoked_at_ms), sum(revoked_at_ms) FROM tokens",
  notifications: "count(*), sum(seq) FROM notifications",
} as const;

function statesOf(db: DatabaseSync): object {
  const accounts = createHash("sha256");
  const rows = db.prepare("SELECT user_id, name, display_name, password_hash FROM accounts ORDER BY user_id");
  for (const row of rows.iterate()) accounts.update(JSON.stringify(row));
  const counted = Object.entries(sums).map(([name, sql]) => [name, db.prepare(`SELECT ${sql}`).get()]);
  return { accounts: accounts.digest("hex"), ...Object.fromEntries(counted) };
}

const hashOf = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
