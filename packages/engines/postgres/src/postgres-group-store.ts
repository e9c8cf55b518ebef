import {
  applyMembershipChanges,
  type ChangedGroup,
  type GroupRecord,
  type GroupStore,
  invariant,
  type Membership,
  type MembershipChange,
  type MembershipIndex,
  type Page,
  usersNamedBy,
} from "@tidings/core";
import { type ConversationId, directUsers, TidingsError } from "@tidings/protocol";
import type { Database } from "./database.ts";
import { createInOrder } from "./in-order.ts";

/** Times that changes are folded in anew because somebody else did so in between. */
const attemptsMax = 10;

export function createPostgresGroupStore(db: Database): GroupStore {
  // Changes that come later are applied later: a change below the applied seq is left out.
  const inOrder = createInOrder<ConversationId>();

  const readGroup = async (conversation: ConversationId): Promise<GroupRecord | undefined> =>
    (await db.read<GroupRecord>(selectGroup, conversation))[0];

  const applyOnce = async (conversation: ConversationId, changes: readonly MembershipChange[]): Promise<boolean> => {
    // The group first: memberships newer than it only come with a newer applied seq, which the storing notices.
    const group = await readGroup(conversation);
    const rows = await db.read<Membership>(selectMemberships, conversation, [...usersNamedBy(changes)]);
    const memberships = new Map(rows.map((one) => [one.user, one]));
    const changed = applyMembershipChanges(conversation, { group, memberships }, changes);
    return changed === undefined || store(db, conversation, changed, group?.appliedSeq ?? 0);
  };

  return {
    apply: (conversation, changes) =>
      inOrder(conversation, async () => {
        for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
          if (await applyOnce(conversation, changes)) return;
        }
        throw new TidingsError("unavailable", { detail: "Others kept changing the same group." });
      }),
    group: readGroup,
    membership: async (conversation, user) => (await db.read<Membership>(selectMembership, conversation, user))[0],
    async members(conversation, { state, after = "", limit }) {
      const rows = await db.read<Membership>(selectMembers, conversation, state, after, limit + 1);
      return pageOf(rows, limit, (one) => one.user);
    },
    successor: async (conversation, leaving) => (await db.read<Membership>(selectSuccessor, conversation, leaving))[0],
    async searchPublic({ search = "", after = " ", limit }) {
      // The key of a page is the id, which holds no space, a space, and the name.
      const space = after.indexOf(" ");
      const [name, id] = [after.slice(space + 1), after.slice(0, space)];
      const rows = await db.read<GroupRecord>(selectPublic, name, id, search.toLowerCase(), limit + 1);
      return pageOf(rows, limit, (one) => `${one.conversation} ${one.name.toLowerCase()}`);
    },
    async ensureDirect(conversation) {
      const users = directUsers(conversation);
      invariant(users !== undefined, "Only a direct conversation has its users in its id.");
      await db.write(insertDirect, conversation, [...new Set(users)].sort());
    },
  };
}

export function createPostgresMembershipIndex(db: Database): MembershipIndex {
  return {
    async conversationsOf(user, { ended } = {}) {
      const rows =
        ended === undefined
          ? await db.read<UserRow>(selectActive, user)
          : await db.read<UserRow>(selectEnded, user, [...new Set(ended)]);
      return rows.map(({ hasGroup, ...row }) => {
        const { role, state, joinedSeq, endedSeq, ...group } = row;
        const membership: Membership = {
          conversation: row.conversation,
          user,
          role,
          state,
          joinedSeq,
          ...(endedSeq !== undefined && { endedSeq }),
        };
        return hasGroup ? { membership, group } : { membership };
      });
    },
    async conversationCounts(users) {
      if (users.length === 0) return [];
      return (await db.read<{ n: number }>(countActive, users)).map(({ n }) => n);
    },
  };
}

type UserRow = GroupRecord & Omit<Membership, "user"> & { readonly hasGroup: boolean };

/** False, and nothing stored, if the group's applied seq is not the one that the change was made of. */
async function store(
  db: Database,
  conversation: ConversationId,
  { group, memberships }: ChangedGroup,
  appliedBefore: number,
): Promise<boolean> {
  const gone = [...memberships].flatMap(([user, now]) => (now === undefined ? [user] : []));
  const put = [...memberships.values()].filter((now) => now !== undefined);
  const { name, description, visibility, history, closed, memberCount, ownerCount, appliedSeq } = group;
  const [row] = await db.write<{ stored: number }>(
    storeGroup,
    ...[conversation, name, name.toLowerCase(), description, visibility, history, closed],
    ...[memberCount, ownerCount, appliedSeq, appliedBefore],
    gone,
    put.map(({ user }) => user),
    put.map(({ role }) => role),
    put.map(({ state }) => state),
    put.map(({ joinedSeq }) => joinedSeq),
    // An absent one as -1: arrays of the driver's have no nulls in our types.
    put.map(({ endedSeq }) => endedSeq ?? -1),
  );
  return row?.stored === 1;
}

const groupColumns = `g.conversation, g.name, g.description, g.visibility, g.history, g.closed,
  g.member_count AS "memberCount", g.owner_count AS "ownerCount", g.applied_seq AS "appliedSeq"`;
const membershipColumns = `m.conversation, m.user_id AS "user", m.role, m.state, m.joined_seq AS "joinedSeq",
  m.ended_seq AS "endedSeq"`;
const userColumns = `m.conversation, m.role, m.state, m.joined_seq AS "joinedSeq", m.ended_seq AS "endedSeq",
  g.conversation IS NOT NULL AS "hasGroup", g.name, g.description, g.visibility, g.history, g.closed,
  g.member_count AS "memberCount", g.owner_count AS "ownerCount", g.applied_seq AS "appliedSeq"
  FROM memberships m LEFT JOIN groups g ON g.conversation = m.conversation`;

const selectGroup = { name: "group", text: `SELECT ${groupColumns} FROM groups g WHERE g.conversation = $1` };
const selectMembership = {
  name: "membership",
  text: `SELECT ${membershipColumns} FROM memberships m WHERE m.conversation = $1 AND m.user_id = $2`,
};
const selectMemberships = {
  name: "memberships",
  text: `SELECT ${membershipColumns} FROM memberships m WHERE m.conversation = $1 AND m.user_id = ANY ($2::text[])`,
};
const selectMembers = {
  name: "members",
  text: `SELECT ${membershipColumns} FROM memberships m
    WHERE m.conversation = $1 AND m.state = $2 AND m.user_id > $3 ORDER BY m.user_id LIMIT $4`,
};
/** The first of each role by its index; the highest role of those. */
const selectSuccessor = {
  name: "successor",
  text: `SELECT m.* FROM (VALUES ('owner', 1), ('admin', 2), ('member', 3)) AS r (role, rank)
    CROSS JOIN LATERAL (
      SELECT ${membershipColumns} FROM memberships m
      WHERE m.conversation = $1 AND m.state = 'active' AND m.role = r.role AND m.user_id <> $2 ORDER BY m.joined_seq LIMIT 1
    ) AS m ORDER BY r.rank LIMIT 1`,
};
const selectPublic = {
  name: "public-groups",
  text: `SELECT ${groupColumns} FROM groups g
    WHERE g.visibility = 'public' AND NOT g.closed AND (g.lower_name, g.conversation) > ($1, $2) AND strpos(g.lower_name, $3) > 0
    ORDER BY g.lower_name, g.conversation LIMIT $4`,
};
const insertDirect = {
  name: "ensure-direct",
  text: `INSERT INTO memberships SELECT $1, one, 'member', 'active', 1, NULL FROM unnest($2::text[]) AS one
    ON CONFLICT (conversation, user_id) DO NOTHING`,
};
const selectActive = {
  name: "active-conversations",
  text: `SELECT ${userColumns} WHERE m.user_id = $1 AND m.state = 'active' ORDER BY m.conversation`,
};
const selectEnded = {
  name: "ended-conversations",
  text: `SELECT ${userColumns} WHERE m.user_id = $1 AND m.conversation = ANY ($2::text[]) AND m.state <> 'active'
    ORDER BY m.conversation`,
};
const countActive = {
  name: "conversation-counts",
  text: `SELECT (SELECT count(*) FROM memberships m WHERE m.user_id = u.user_id AND m.state = 'active') AS n
    FROM unnest($1::text[]) WITH ORDINALITY AS u (user_id, place) ORDER BY u.place`,
};
const storeGroup = {
  name: "store-group",
  text: `WITH stored AS (
      INSERT INTO groups AS g VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      ON CONFLICT (conversation) DO UPDATE SET name = excluded.name, lower_name = excluded.lower_name,
        description = excluded.description, visibility = excluded.visibility, history = excluded.history,
        closed = excluded.closed, member_count = excluded.member_count, owner_count = excluded.owner_count,
        applied_seq = excluded.applied_seq
      WHERE g.applied_seq = $11 RETURNING 1
    ), gone AS (
      DELETE FROM memberships WHERE conversation = $1 AND user_id = ANY ($12::text[]) AND EXISTS (SELECT FROM stored)
    ), put AS (
      INSERT INTO memberships SELECT $1, u.user_id, u.role, u.state, u.joined_seq, nullif(u.ended_seq, -1)
      FROM unnest($13::text[], $14::text[], $15::text[], $16::bigint[], $17::bigint[]) AS u (user_id, role, state, joined_seq, ended_seq)
      WHERE EXISTS (SELECT FROM stored)
      ON CONFLICT (conversation, user_id) DO UPDATE SET role = excluded.role, state = excluded.state,
        joined_seq = excluded.joined_seq, ended_seq = excluded.ended_seq
    )
    SELECT count(*) AS stored FROM stored`,
};

/** One item more than the page holds was read, to know whether there is a next page. */
function pageOf<Item>(rows: readonly Item[], limit: number, keyOf: (item: Item) => string): Page<Item> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
}
