import { isDeepStrictEqual } from "node:util";
import {
  type ArchivedNotification,
  type ArchiveKind,
  type ArchiveRecords,
  ArchiveRefusedError,
  archiveKeyOf,
  archiveKeyParts,
  type CopiedKind,
  type Page,
  type PageRequest,
} from "@tidings/core";
import type { Query, Value } from "./database.ts";

/** Where the records of a kind are: the names of the record's fields by the column, and the columns of its key. */
type Table = {
  readonly from: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly key: readonly string[];
  readonly where?: string;
};

const membership = {
  from: "memberships",
  fields: {
    conversation: "conversation",
    user: "user_id",
    role: "role",
    state: "state",
    joinedSeq: "joined_seq",
    endedSeq: "ended_seq",
  },
  key: ["conversation", "user_id"],
} as const;

/** Ids of direct conversations begin with `d_`, those of groups with `g_`. */
const tables: { readonly [Kind in ArchiveKind]: Table } = {
  accounts: {
    from: "accounts",
    fields: {
      user: "user_id",
      name: "name",
      displayName: "display_name",
      passwordHash: "password_hash",
      createdAtMs: "created_at_ms",
    },
    key: ["user_id"],
  },
  tokens: {
    from: "tokens",
    fields: {
      token: "token",
      user: "user_id",
      secretHash: "secret_hash",
      label: "label",
      createdAtMs: "created_at_ms",
      expiresAtMs: "expires_at_ms",
      revokedAtMs: "revoked_at_ms",
    },
    key: ["token"],
  },
  markers: {
    from: "markers",
    fields: {
      conversation: "conversation",
      user: "user_id",
      readSeq: "read_seq",
      readMessages: "read_messages",
      notify: "notify",
    },
    key: ["conversation", "user_id"],
  },
  invites: {
    from: "invites",
    fields: {
      invite: "invite",
      codeHash: "code_hash",
      conversation: "conversation",
      createdBy: "created_by",
      createdAtMs: "created_at_ms",
      expiresAtMs: "expires_at_ms",
      usesMax: "uses_max",
      uses: "uses",
      revoked: "revoked",
    },
    key: ["invite"],
  },
  inviteUses: {
    from: "invite_uses",
    fields: { invite: "invite", user: "user_id", joinedSeq: "joined_seq", pending: "pending" },
    key: ["invite", "user_id", "joined_seq"],
  },
  directs: { ...membership, where: "conversation < 'e'" },
  notifications: {
    from: "notifications",
    fields: {
      user: "user_id",
      n: "n",
      reason: "reason",
      conversation: "conversation",
      seq: "seq",
      sender: "sender",
      at_ms: "at_ms",
    },
    key: ["user_id", "n"],
  },
  conversations: {
    from: "conversations",
    fields: {
      conversation: "conversation",
      head: "head",
      groupSeq: "group_seq",
      messages: "messages",
      keys: "(SELECT count(*) FROM entries e WHERE e.conversation_key = conversations.key AND e.message_id IS NOT NULL)",
    },
    key: ["conversation"],
  },
  groups: {
    from: "groups",
    fields: {
      conversation: "conversation",
      name: "name",
      description: "description",
      visibility: "visibility",
      history: "history",
      closed: "closed",
      memberCount: "member_count",
      ownerCount: "owner_count",
      appliedSeq: "applied_seq",
    },
    key: ["conversation"],
  },
  memberships: { ...membership, where: "conversation >= 'e'" },
};

const columnsOf = ({ fields }: Table): string =>
  Object.entries(fields)
    .map(([field, column]) => `${column} AS "${field}"`)
    .join(", ");

export async function readArchivePage<Kind extends ArchiveKind>(
  query: Query,
  kind: Kind,
  { after, limit }: PageRequest,
): Promise<Page<ArchiveRecords[Kind]>> {
  const table = tables[kind];
  const parts = after === undefined ? [] : archiveKeyParts(after);
  const places = parts.map((_, index) => `$${index + 2}`);
  const conditions = [
    ...(table.where === undefined ? [] : [table.where]),
    ...(after === undefined ? [] : [`(${table.key.join(", ")}) > (${places.join(", ")})`]),
  ];
  const condition = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const statement = {
    name: `archive-${kind}-${after === undefined ? "first" : "after"}`,
    text: `SELECT ${columnsOf(table)} FROM ${table.from} ${condition} ORDER BY ${table.key.join(", ")} LIMIT $1`,
  };
  // One more than the page holds, to know whether there is a next page.
  const rows = await query<ArchiveRecords[Kind]>(statement, limit + 1, ...(parts as readonly Value[]));
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: archiveKeyOf(kind, last) } : { items };
}

/** The key of the last record; undefined if there is none. */
export async function lastArchiveKey(query: Query, kind: CopiedKind): Promise<string | undefined> {
  const table = tables[kind];
  const text = `SELECT ${columnsOf(table)} FROM ${table.from} ${table.where === undefined ? "" : `WHERE ${table.where}`}
    ORDER BY ${table.key.map((column) => `${column} DESC`).join(", ")} LIMIT 1`;
  const [row] = await query<ArchiveRecords[typeof kind]>({ name: `archive-last-${kind}`, text });
  return row && archiveKeyOf(kind, row);
}

/** Stores records, or finds them stored. Rejects with an ArchiveRefusedError if one is there in another form, or is in the way. */
export async function putArchivedRecords<Kind extends CopiedKind>(
  query: Query,
  kind: Kind,
  records: readonly ArchiveRecords[Kind][],
): Promise<void> {
  const stored = await insertRecords(query, kind, records);
  if (stored < records.length) await refuseOthers(query, kind, records);
  if (kind === "notifications") await noteNumbers(query, records as readonly ArchivedNotification[]);
}

/** Answers with how many were not there, nor had anything in their way. */
async function insertRecords<Kind extends CopiedKind>(
  query: Query,
  kind: Kind,
  records: readonly ArchiveRecords[Kind][],
): Promise<number> {
  const { from, fields } = tables[kind];
  // Names are compared by a column of their own, which the engine makes.
  const made = kind === "accounts" ? { ...fields, lowerName: "lower_name" } : fields;
  const rows = records.map((record) =>
    "name" in record ? { ...record, lowerName: record.name.toLowerCase() } : record,
  );
  const values = Object.entries(made).map(([field, column]) => `(one ->> '${field}')${castOf(column)}`);
  const text = `INSERT INTO ${from} (${Object.values(made).join(", ")})
    SELECT ${values.join(", ")} FROM json_array_elements($1::json) AS one ON CONFLICT DO NOTHING RETURNING 1`;
  return (await query({ name: `archive-put-${kind}`, text }, JSON.stringify(rows))).length;
}

/** Columns that are no texts. */
function castOf(column: string): string {
  if (/_seq$|_at_ms$|^(n|seq|at_ms|read_messages)$/.test(column)) return "::bigint";
  if (/^(uses|uses_max)$/.test(column)) return "::integer";
  return /^(revoked|pending)$/.test(column) ? "::boolean" : "";
}

async function refuseOthers<Kind extends CopiedKind>(
  query: Query,
  kind: Kind,
  records: readonly ArchiveRecords[Kind][],
): Promise<void> {
  const table = tables[kind];
  const condition = table.key.map((column, index) => `${column} = $${index + 1}`).join(" AND ");
  const text = `SELECT ${columnsOf(table)} FROM ${table.from} WHERE ${condition}`;
  for (const record of records) {
    const key = archiveKeyOf(kind, record);
    const [there] = await query<object>(
      { name: `archive-one-${kind}`, text },
      ...(archiveKeyParts(key) as readonly Value[]),
    );
    if (there === undefined) {
      throw new ArchiveRefusedError(
        `Of ${kind}, ${key} cannot be stored: another one has what may be there once only.`,
      );
    }
    if (!isDeepStrictEqual(there, { ...record })) {
      throw new ArchiveRefusedError(`Of ${kind}, ${key} is there already, and is another one than in what is copied.`);
    }
  }
}

/** Notifications are numbered on from what was copied. */
async function noteNumbers(query: Query, notifications: readonly ArchivedNotification[]): Promise<void> {
  const newest = new Map<string, number>();
  for (const { user, n } of notifications) newest.set(user, Math.max(n, newest.get(user) ?? 0));
  await query(
    {
      name: "archive-note-numbers",
      text: `INSERT INTO notification_counts AS c SELECT * FROM unnest($1::text[], $2::bigint[])
        ON CONFLICT (user_id) DO UPDATE SET newest = greatest(c.newest, excluded.newest)`,
    },
    [...newest.keys()],
    [...newest.values()],
  );
}
