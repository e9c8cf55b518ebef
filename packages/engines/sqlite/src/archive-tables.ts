import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import {
  type ArchiveKind,
  type ArchiveRecords,
  archiveKeyOf,
  archiveKeyParts,
  type Page,
  type PageRequest,
} from "@tidings/core";
import { rowsOf } from "./rows.ts";

/** Where the records of a kind are: columns named as the fields of the record, and its key. `flags` are kept as 0 and 1. */
type Table = {
  readonly columns: string;
  readonly from: string;
  readonly key: readonly string[];
  readonly where?: string;
  readonly flags?: readonly string[];
};

const membership = {
  columns: "conversation, user_id AS user, role, state, joined_seq AS joinedSeq, ended_seq AS endedSeq",
  from: "memberships",
  key: ["conversation", "user_id"],
} as const;

/** Ids of direct conversations begin with `d_`, those of groups with `g_`. */
const tables: { readonly [Kind in ArchiveKind]: Table } = {
  accounts: {
    columns: `user_id AS user, name, display_name AS displayName, password_hash AS passwordHash,
      created_at_ms AS createdAtMs`,
    from: "accounts",
    key: ["user_id"],
  },
  tokens: {
    columns: `token, user_id AS user, secret_hash AS secretHash, label, created_at_ms AS createdAtMs,
      expires_at_ms AS expiresAtMs, revoked_at_ms AS revokedAtMs`,
    from: "tokens",
    key: ["token"],
  },
  markers: {
    columns: "conversation, user_id AS user, read_seq AS readSeq, read_messages AS readMessages, notify",
    from: "markers",
    key: ["conversation", "user_id"],
  },
  invites: {
    columns: `invite, code_hash AS codeHash, conversation, created_by AS createdBy, created_at_ms AS createdAtMs,
      expires_at_ms AS expiresAtMs, uses_max AS usesMax, uses, revoked`,
    from: "invites",
    key: ["invite"],
    flags: ["revoked"],
  },
  inviteUses: {
    columns: "invite, user_id AS user, joined_seq AS joinedSeq, pending",
    from: "invite_uses",
    key: ["invite", "user_id", "joined_seq"],
    flags: ["pending"],
  },
  directs: { ...membership, where: "conversation < 'e'" },
  notifications: {
    columns: "user_id AS user, n, reason, conversation, seq, sender, at_ms",
    from: "notifications",
    key: ["user_id", "n"],
  },
  conversations: {
    // What is not settled yet is counted by who reads it.
    columns: `conversation, head, group_seq AS groupSeq, messages,
      (SELECT count(*) FROM message_keys k WHERE k.conversation_key = conversations.key) AS keys`,
    from: "conversations",
    key: ["conversation"],
  },
  groups: {
    columns: `conversation, name, description, visibility, history, closed, member_count AS memberCount,
      owner_count AS ownerCount, applied_seq AS appliedSeq`,
    from: "groups",
    key: ["conversation"],
    flags: ["closed"],
  },
  memberships: { ...membership, where: "conversation >= 'e'" },
};

export function readArchivePage<Kind extends ArchiveKind>(
  db: DatabaseSync,
  kind: Kind,
  { after, limit }: PageRequest,
): Page<ArchiveRecords[Kind]> {
  const { columns, from, key, where, flags = [] } = tables[kind];
  const parts = after === undefined ? [] : archiveKeyParts(after);
  const conditions = [
    ...(where === undefined ? [] : [where]),
    ...(after === undefined ? [] : [`(${key.join(", ")}) > (${key.map(() => "?").join(", ")})`]),
  ];
  const condition = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  // One more than the page holds, to know whether there is a next page.
  const statement = db.prepare(`SELECT ${columns} FROM ${from} ${condition} ORDER BY ${key.join(", ")} LIMIT ?`);
  // The columns that are asked for are the fields of the kind's records, but for flags, which SQLite has as numbers.
  const rows = rowsOf<ArchiveRecords[Kind] & Record<string, unknown>>(
    statement,
    ...(parts as SQLInputValue[]),
    limit + 1,
  );
  for (const row of rows) for (const flag of flags) Object.assign(row, { [flag]: row[flag] === 1 });
  const items: readonly ArchiveRecords[Kind][] = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: archiveKeyOf(kind, last) } : { items };
}
