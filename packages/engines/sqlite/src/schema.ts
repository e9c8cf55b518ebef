/**
 * The tables of the embedded engine. Everything that is stored is made here, by numbered migrations, each in one
 * transaction together with the `user_version` that names it.
 *
 * The Messaging DB refers to a conversation by a small integer, because each entry carries it two times. The other
 * tables are the Group DB and its neighbours; they name conversations by their ids and know nothing of entries.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE conversations (
    key INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL UNIQUE,
    head INTEGER NOT NULL,
    group_seq INTEGER NOT NULL,
    messages INTEGER NOT NULL
  ) STRICT;

  -- "messages": how many of the entries 1 … seq are messages. "kind": an index of entryKinds.
  CREATE TABLE entries (
    conversation_key INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (conversation_key, seq)
  ) STRICT, WITHOUT ROWID;

  -- The newest entries, in the order of their commits: see settle-entries.ts. Each is here or in "entries".
  CREATE TABLE recent_entries (
    position INTEGER PRIMARY KEY,
    conversation_key INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    sender TEXT,
    message_id TEXT,
    json TEXT NOT NULL
  ) STRICT;

  CREATE TABLE message_keys (
    conversation_key INTEGER NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation_key, sender, message_id)
  ) STRICT, WITHOUT ROWID;

  -- The change feed. AUTOINCREMENT: a position is never given twice, also after all rows were deleted.
  CREATE TABLE changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_key INTEGER NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL
  ) STRICT;
  CREATE TRIGGER conversations_changed AFTER UPDATE OF head ON conversations WHEN NEW.head > OLD.head
  BEGIN
    INSERT INTO changes (conversation_key, from_seq, to_seq) VALUES (NEW.key, OLD.head + 1, NEW.head);
  END;
  CREATE TABLE consumers (consumer TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE groups (
    conversation TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    lower_name TEXT NOT NULL,
    description TEXT NOT NULL,
    visibility TEXT NOT NULL,
    history TEXT NOT NULL,
    closed INTEGER NOT NULL,
    member_count INTEGER NOT NULL,
    owner_count INTEGER NOT NULL,
    applied_seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX groups_public ON groups (lower_name, conversation) WHERE visibility = 'public' AND closed = 0;

  CREATE TABLE memberships (
    conversation TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    state TEXT NOT NULL,
    joined_seq INTEGER NOT NULL,
    ended_seq INTEGER,
    PRIMARY KEY (conversation, user_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX memberships_of_state ON memberships (conversation, state, user_id);
  CREATE INDEX memberships_of_rank ON memberships (conversation, role, joined_seq) WHERE state = 'active';
  CREATE INDEX memberships_of_user ON memberships (user_id, state, conversation);

  CREATE TABLE markers (
    conversation TEXT NOT NULL,
    user_id TEXT NOT NULL,
    read_seq INTEGER NOT NULL,
    read_messages INTEGER NOT NULL,
    notify TEXT,
    PRIMARY KEY (conversation, user_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE invites (
    invite TEXT PRIMARY KEY,
    code_hash TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    uses_max INTEGER,
    uses INTEGER NOT NULL,
    revoked INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX invites_of_conversation ON invites (conversation, created_at_ms) WHERE revoked = 0;
  CREATE TABLE invite_uses (
    invite TEXT NOT NULL REFERENCES invites,
    user_id TEXT NOT NULL,
    PRIMARY KEY (invite, user_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE accounts (
    user_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    lower_name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT,
    created_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE tokens (
    token TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES accounts,
    secret_hash TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    revoked_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokens_of_user ON tokens (user_id, created_at_ms) WHERE revoked_at_ms IS NULL;

  CREATE TABLE notifications (
    user_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    reason TEXT NOT NULL,
    conversation TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, n)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX notifications_once ON notifications (user_id, conversation, seq);
  `,
  // Uses became those of one membership each (decision 14). What the old table holds was used, and stays counted in "invites".
  `
  DROP TABLE invite_uses;
  CREATE TABLE invite_uses (
    invite TEXT NOT NULL REFERENCES invites,
    user_id TEXT NOT NULL,
    joined_seq INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    PRIMARY KEY (invite, user_id, joined_seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX invite_uses_pending ON invite_uses (invite) WHERE pending = 1;
  `,
  `
  CREATE INDEX markers_with_mode ON markers (conversation) WHERE notify IS NOT NULL;
  `,
];

/** `application_id` of our files, "TDNG": a file of another program is not touched. */
export const applicationId = 0x54_44_4e_47;

/** The kinds of entries by their number in the tables; new kinds go to the end. */
export const entryKinds = ["message", "member-joined", "member-left", "member-removed", "group-changed"] as const;

/**
 * The settings of the connection that writes. `synchronous = FULL` makes a commit wait until the log is on the disk (G1).
 * A checkpoint moves the pages of the log into the file and stalls the commits for that time; it is rare, because a page that
 * was written a hundred times meanwhile is moved once: after 16,000 pages, 64 MiB.
 */
export const writerPragmas = [
  "journal_mode = WAL",
  "synchronous = FULL",
  "fullfsync = ON",
  "checkpoint_fullfsync = ON",
  "foreign_keys = ON",
  "busy_timeout = 5000",
  "cache_size = -65536",
  "wal_autocheckpoint = 16000",
  "journal_size_limit = 134217728",
  "temp_store = MEMORY",
] as const;

/** No memory map: with it a failing disk would end the process by a signal instead of an error. */
export const readerPragmas = ["query_only = ON", "busy_timeout = 5000", "cache_size = -4096", "mmap_size = 0"] as const;
