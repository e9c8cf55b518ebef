/** Of a batch, as batch-storage.ts gives it, and what is done with it: the same for one partition and for several. */
const batchParameters = `    c_keys bigint[], c_old_heads bigint[], c_heads bigint[], c_group_seqs bigint[], c_messages bigint[],
    n_keys bigint[], n_ids text, n_heads bigint[], n_group_seqs bigint[], n_messages bigint[],
    e_keys bigint[], e_seqs bigint[], e_times bigint[], e_messages bigint[], e_kinds smallint[],
    e_senders text, e_ids text, e_json text,
    changes text
`;
const storeHeadsAndEntries = `    IF cardinality(c_keys) > 0 THEN
      UPDATE conversations c SET head = u.head, group_seq = u.group_seq, messages = u.messages
        FROM unnest(c_keys, c_old_heads, c_heads, c_group_seqs, c_messages) AS u (key, old_head, head, group_seq, messages)
        WHERE c.key = u.key AND c.head = u.old_head;
      GET DIAGNOSTICS moved = ROW_COUNT;
      IF moved <> cardinality(c_keys) THEN
        RAISE 'A conversation has moved on meanwhile.' USING ERRCODE = 'TD003';
      END IF;
    END IF;
    IF cardinality(n_keys) > 0 THEN
      INSERT INTO conversations (key, conversation, head, group_seq, messages)
        SELECT * FROM unnest(n_keys, string_to_array(n_ids, E'\\x1f'), n_heads, n_group_seqs, n_messages);
    END IF;
    IF cardinality(e_keys) > 0 THEN
      INSERT INTO entries (conversation_key, seq, at_ms, messages, kind, sender, message_id, json)
        SELECT * FROM unnest(e_keys, e_seqs, e_times, e_messages, e_kinds,
          string_to_array(e_senders, E'\\x1f', ''), string_to_array(e_ids, E'\\x1f', ''), string_to_array(e_json, E'\\x1f'));
      PERFORM pg_logical_emit_message(true, 'tidings', changes);
    END IF;
`;

/**
 * The tables of the PostgreSQL engine. Everything that is stored is made here, by numbered migrations, each in one transaction together
 * with the row of `schema_migrations` that names it; all of them stand in the schema `tidings`. Who copies an installation of
 * another engine writes `conversations`, `entries` and the tables of the Group DB and its neighbours; `partitions` begins empty.
 *
 * - `conversations`: a row for each conversation with its head; `key` is the small number that entries refer to it by.
 * - `entries`: the entries as they travel. A request's key stands with the request's first entry (G2). Split by `key`, so in the
 *   order in which conversations were made (decision 17); see entry-partitions.ts.
 * - `partitions`: how far each partition of the Message Log is applied, and the epoch of its holder.
 * - All other tables are as in the SQLite engine. `notification_counts` numbers a user's notifications.
 *
 * Ids are ASCII and compare by code unit (COLLATE "C"); names are compared by `lower_name`, which the engine makes.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE partitions (
    partition integer PRIMARY KEY,
    position bigint NOT NULL,
    epoch bigint NOT NULL
  ) WITH (fillfactor = 10);

  CREATE SEQUENCE conversation_keys CACHE 1;
  -- Room in each page, so that a head moves without touching an index.
  CREATE TABLE conversations (
    key bigint PRIMARY KEY,
    conversation text COLLATE "C" NOT NULL UNIQUE,
    head bigint NOT NULL,
    group_seq bigint NOT NULL,
    messages bigint NOT NULL
  ) WITH (fillfactor = 60);

  -- "messages": how many of the entries 1 … seq are messages. "kind": an index of entryKinds.
  CREATE TABLE entries (
    conversation_key bigint NOT NULL,
    seq bigint NOT NULL,
    at_ms bigint NOT NULL,
    messages bigint NOT NULL,
    kind smallint NOT NULL,
    sender text COLLATE "C",
    message_id text COLLATE "C",
    json text NOT NULL,
    PRIMARY KEY (conversation_key, seq)
  ) PARTITION BY RANGE (conversation_key);
  CREATE UNIQUE INDEX entries_keys ON entries (conversation_key, sender, message_id) WHERE message_id IS NOT NULL;

  CREATE TABLE groups (
    conversation text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    lower_name text COLLATE "C" NOT NULL,
    description text NOT NULL,
    visibility text NOT NULL,
    history text NOT NULL,
    closed boolean NOT NULL,
    member_count integer NOT NULL,
    owner_count integer NOT NULL,
    applied_seq bigint NOT NULL
  );
  CREATE INDEX groups_public ON groups (lower_name, conversation) WHERE visibility = 'public' AND NOT closed;

  CREATE TABLE memberships (
    conversation text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    state text NOT NULL,
    joined_seq bigint NOT NULL,
    ended_seq bigint,
    PRIMARY KEY (conversation, user_id)
  );
  CREATE INDEX memberships_of_state ON memberships (conversation, state, user_id);
  CREATE INDEX memberships_of_rank ON memberships (conversation, role, joined_seq) WHERE state = 'active';
  CREATE INDEX memberships_of_user ON memberships (user_id, state, conversation);

  CREATE TABLE markers (
    conversation text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    read_seq bigint NOT NULL,
    read_messages bigint NOT NULL,
    notify text,
    PRIMARY KEY (conversation, user_id)
  ) WITH (fillfactor = 80);
  CREATE INDEX markers_with_mode ON markers (conversation) WHERE notify IS NOT NULL;

  CREATE TABLE invites (
    invite text COLLATE "C" PRIMARY KEY,
    code_hash text COLLATE "C" NOT NULL UNIQUE,
    conversation text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at_ms bigint NOT NULL,
    expires_at_ms bigint,
    uses_max integer,
    uses integer NOT NULL,
    revoked boolean NOT NULL
  );
  CREATE INDEX invites_of_conversation ON invites (conversation, created_at_ms) WHERE NOT revoked;
  CREATE TABLE invite_uses (
    invite text COLLATE "C" NOT NULL REFERENCES invites,
    user_id text COLLATE "C" NOT NULL,
    joined_seq bigint NOT NULL,
    pending boolean NOT NULL,
    PRIMARY KEY (invite, user_id, joined_seq)
  );
  CREATE INDEX invite_uses_pending ON invite_uses (invite) WHERE pending;

  CREATE TABLE accounts (
    user_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    lower_name text COLLATE "C" NOT NULL UNIQUE,
    display_name text NOT NULL,
    password_hash text,
    created_at_ms bigint NOT NULL
  );
  CREATE TABLE tokens (
    token text COLLATE "C" PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL REFERENCES accounts,
    secret_hash text NOT NULL,
    label text NOT NULL,
    created_at_ms bigint NOT NULL,
    expires_at_ms bigint,
    revoked_at_ms bigint
  );
  CREATE INDEX tokens_of_user ON tokens (user_id, created_at_ms) WHERE revoked_at_ms IS NULL;

  CREATE TABLE notification_counts (user_id text COLLATE "C" PRIMARY KEY, newest bigint NOT NULL) WITH (fillfactor = 60);
  CREATE TABLE notifications (
    user_id text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    reason text NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    sender text COLLATE "C" NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (user_id, n)
  );
  CREATE UNIQUE INDEX notifications_once ON notifications (user_id, conversation, seq);

  -- Nothing is published of tables: the feed is made of messages in the write-ahead log (decision 18).
  CREATE PUBLICATION tidings;
  `,
  // What applies a batch in one round trip; its caller is batch-storage.ts.
  `
  CREATE FUNCTION refuse_partition(p integer, p_epoch bigint, p_after bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    seen partitions;
  BEGIN
    SELECT * INTO seen FROM partitions WHERE partition = p;
    IF coalesce(seen.epoch, 0) > p_epoch THEN
      RAISE 'Partition % is held with epoch %, not with %.', p, seen.epoch, p_epoch USING ERRCODE = 'TD001';
    END IF;
    IF coalesce(seen.position, 0) <> p_after THEN
      RAISE 'Partition % is applied up to %, not up to %.', p, coalesce(seen.position, 0), p_after USING ERRCODE = 'TD002';
    END IF;
    RAISE 'Partition % has changed meanwhile.', p USING ERRCODE = 'TD003';
  END $$;

  CREATE FUNCTION store_batch(
    p integer, p_epoch bigint, p_after bigint, p_to bigint,
${batchParameters}  ) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    moved bigint;
  BEGIN
    IF p IS NOT NULL THEN
      UPDATE partitions SET position = p_to, epoch = p_epoch WHERE partition = p AND position = p_after AND epoch <= p_epoch;
      IF NOT FOUND THEN
        IF p_after <> 0 OR EXISTS (SELECT FROM partitions WHERE partition = p) THEN
          PERFORM refuse_partition(p, p_epoch, p_after);
        END IF;
        INSERT INTO partitions VALUES (p, p_to, p_epoch);
      END IF;
    END IF;
${storeHeadsAndEntries}  END $$;

  -- Returns when none of these transactions, given by the lower halves of their numbers, is in progress any more.
  CREATE FUNCTION await_visible(transactions bigint[]) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    newest bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    own bigint;
  BEGIN
    FOREACH own IN ARRAY transactions LOOP
      own := (newest >> 32 << 32) + own;
      IF own > newest THEN
        own := own - (1::bigint << 32);
      END IF;
      WHILE pg_xact_status(own::text::xid8) = 'in progress' LOOP
        PERFORM pg_sleep(0.0005);
      END LOOP;
    END LOOP;
  END $$;

  -- Each once for a user, a conversation and a seq; answers with the places in the arrays of those stored, and their numbers.
  CREATE FUNCTION put_notifications(
    users text[], reasons text[], conversations text[], seqs bigint[], senders text[], times bigint[]
  ) RETURNS TABLE (place bigint, number bigint) LANGUAGE plpgsql AS $$
  #variable_conflict use_column
  BEGIN
    INSERT INTO notification_counts SELECT DISTINCT one, 0 FROM unnest(users) AS one ORDER BY one ON CONFLICT DO NOTHING;
    PERFORM FROM notification_counts c WHERE c.user_id = ANY (users) ORDER BY c.user_id FOR UPDATE;
    RETURN QUERY
      WITH given AS (
        SELECT g.* FROM unnest(users, reasons, conversations, seqs, senders, times)
          WITH ORDINALITY AS g (user_id, reason, conversation, seq, sender, at_ms, place)
        WHERE NOT EXISTS (SELECT FROM notifications o
          WHERE o.user_id = g.user_id AND o.conversation = g.conversation AND o.seq = g.seq)
      ), numbered AS (
        SELECT g.*, c.newest + row_number() OVER (PARTITION BY g.user_id ORDER BY g.place) AS number
        FROM given g JOIN notification_counts c ON c.user_id = g.user_id
      ), counted AS (
        UPDATE notification_counts c SET newest = top.number
        FROM (SELECT x.user_id, max(x.number) AS number FROM numbered x GROUP BY x.user_id) top WHERE c.user_id = top.user_id
      ), stored AS (
        INSERT INTO notifications (user_id, n, reason, conversation, seq, sender, at_ms)
        SELECT x.user_id, x.number, x.reason, x.conversation, x.seq, x.sender, x.at_ms FROM numbered x
      )
      SELECT x.place, x.number FROM numbered x ORDER BY x.place;
  END $$;
  `,
  // An installation that is copied in, or was (decision 24): which one, in which state, and whether all of it is there.
  `
  CREATE TABLE archive_source (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    origin text NOT NULL,
    state text NOT NULL,
    finished boolean NOT NULL
  );
  `,
  // A batch may be of several partitions; the function for one stays for processes of the version before, in a rolling upgrade.
  `
  CREATE FUNCTION store_batches(
    p integer[], p_epochs bigint[], p_afters bigint[], p_tos bigint[],
${batchParameters}  ) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    moved bigint;
    done integer[];
  BEGIN
    IF cardinality(p) > 0 THEN
      WITH moving AS (
        UPDATE partitions q SET position = u.p_to, epoch = u.p_epoch
        FROM unnest(p, p_epochs, p_afters, p_tos) AS u (own, p_epoch, p_after, p_to)
        WHERE q.partition = u.own AND q.position = u.p_after AND q.epoch <= u.p_epoch
        RETURNING q.partition
      ) SELECT array_agg(partition) INTO done FROM moving;
      IF coalesce(cardinality(done), 0) <> cardinality(p) THEN
        FOR i IN 1 .. cardinality(p) LOOP
          CONTINUE WHEN p[i] = ANY (done);
          IF p_afters[i] <> 0 OR EXISTS (SELECT FROM partitions WHERE partition = p[i]) THEN
            PERFORM refuse_partition(p[i], p_epochs[i], p_afters[i]);
          END IF;
          INSERT INTO partitions VALUES (p[i], p_tos[i], p_epochs[i]);
        END LOOP;
      END IF;
    END IF;
${storeHeadsAndEntries}  END $$;

  -- Returns when none of these transactions, given by the lower halves of their numbers, is in progress any more. One that still waits
  -- (for a standby) may be above what a snapshot counts by, which is what has ended.
  CREATE OR REPLACE FUNCTION await_visible(transactions bigint[]) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    newest bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    own bigint;
  BEGIN
    FOREACH own IN ARRAY transactions LOOP
      own := (newest >> 32 << 32) + own;
      IF own - newest > 1::bigint << 31 THEN
        own := own - (1::bigint << 32);
      ELSIF newest - own > 1::bigint << 31 THEN
        own := own + (1::bigint << 32);
      END IF;
      WHILE pg_xact_status(own::text::xid8) = 'in progress' LOOP
        PERFORM pg_sleep(0.0005);
      END LOOP;
    END LOOP;
  END $$;
  `,
];

/** Of everything that is ours, so that a database can be shared with other programs. */
export const schema = "tidings";

/** The kinds of entries by their number in the tables; new kinds go to the end. */
export const entryKinds = ["message", "member-joined", "member-left", "member-removed", "group-changed"] as const;

/** Between the texts of a batch: JSON has no control character in it that is not escaped, and ids have none. */
export const separator = "\x1f";

/** Behind a conversation's range in what is said of a commit. */
export const plainMark = "plain";
