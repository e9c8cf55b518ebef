import type { DatabaseSync } from "node:sqlite";
import type { GroupRecord, Membership, MembershipChange, Page, PageRequest, UserConversation } from "@tidings/core";
import { applyMembershipChanges, usersNamedBy } from "@tidings/core/apply-membership-changes";
import type { ConversationId, UserId } from "@tidings/protocol";
import { rowOf, rowsOf } from "./rows.ts";

const groupColumns = `g.conversation, g.name, g.description, g.visibility, g.history, g.closed,
  g.member_count AS memberCount, g.owner_count AS ownerCount, g.applied_seq AS appliedSeq`;
const membershipColumns =
  "m.conversation, m.user_id AS user, m.role, m.state, m.joined_seq AS joinedSeq, m.ended_seq AS endedSeq";

const selectGroup = `SELECT ${groupColumns} FROM groups g WHERE g.conversation = ?`;
const selectMembership = `SELECT ${membershipColumns} FROM memberships m WHERE m.conversation = ? AND m.user_id = ?`;

export function createGroupWrites(db: DatabaseSync) {
  const group = db.prepare(selectGroup);
  const membership = db.prepare(selectMembership);
  const putGroup = db.prepare("INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const putMembership = db.prepare("INSERT OR REPLACE INTO memberships VALUES (?, ?, ?, ?, ?, ?)");
  const deleteMembership = db.prepare("DELETE FROM memberships WHERE conversation = ? AND user_id = ?");
  const addDirect = db.prepare("INSERT OR IGNORE INTO memberships VALUES (?, ?, 'member', 'active', 1, NULL)");

  return {
    applyMembership(conversation: ConversationId, changes: readonly MembershipChange[]): void {
      const memberships = new Map<UserId, Membership>();
      for (const user of usersNamedBy(changes)) {
        const known = rowOf<Membership>(membership, conversation, user);
        if (known !== undefined) memberships.set(user, known);
      }
      const image = { group: groupOf(rowOf<GroupRow>(group, conversation)), memberships };
      const changed = applyMembershipChanges(conversation, image, changes);
      if (changed === undefined) return;
      const { name, description, visibility, history, closed, memberCount, ownerCount, appliedSeq } = changed.group;
      const lowerName = name.toLowerCase();
      const settings = [name, lowerName, description, visibility, history, Number(closed)] as const;
      putGroup.run(conversation, ...settings, memberCount, ownerCount, appliedSeq);
      for (const [user, now] of changed.memberships) {
        if (now === undefined) deleteMembership.run(conversation, user);
        else putMembership.run(conversation, user, now.role, now.state, now.joinedSeq, now.endedSeq ?? null);
      }
    },
    ensureDirect(conversation: ConversationId, users: readonly UserId[]): void {
      for (const user of users) addDirect.run(conversation, user);
    },
  };
}

export function createGroupReads(db: DatabaseSync) {
  const group = db.prepare(selectGroup);
  const membership = db.prepare(selectMembership);
  const members = db.prepare(
    `SELECT ${membershipColumns} FROM memberships m
     WHERE m.conversation = ? AND m.state = ? AND m.user_id > ? ORDER BY m.user_id LIMIT ?`,
  );
  const firstOfRole = db.prepare(
    `SELECT ${membershipColumns} FROM memberships m
     WHERE m.conversation = ? AND m.state = 'active' AND m.role = ? AND m.user_id <> ? ORDER BY m.joined_seq LIMIT 1`,
  );
  const active = db.prepare(
    `SELECT ${membershipColumns} FROM memberships m WHERE m.user_id = ? AND m.state = 'active' ORDER BY m.conversation`,
  );
  const activeCount = db.prepare("SELECT count(*) AS n FROM memberships WHERE user_id = ? AND state = 'active'");
  const publicGroups = db.prepare(
    `SELECT ${groupColumns} FROM groups g
     WHERE g.visibility = 'public' AND g.closed = 0 AND (g.lower_name, g.conversation) > (?, ?) AND instr(g.lower_name, ?) > 0
     ORDER BY g.lower_name, g.conversation LIMIT ?`,
  );
  const groupRecord = (conversation: ConversationId) => groupOf(rowOf<GroupRow>(group, conversation));

  return {
    group: groupRecord,
    membership: (conversation: ConversationId, user: UserId): Membership | undefined =>
      rowOf(membership, conversation, user),
    members(conversation: ConversationId, request: PageRequest & { state: "active" | "banned" }): Page<Membership> {
      const { state, after = "", limit } = request;
      return pageOf(rowsOf<Membership>(members, conversation, state, after, limit + 1), limit, (one) => one.user);
    },
    successor(conversation: ConversationId, leaving: UserId): Membership | undefined {
      for (const role of ["owner", "admin", "member"]) {
        const first = rowOf<Membership>(firstOfRole, conversation, role, leaving);
        if (first !== undefined) return first;
      }
      return undefined;
    },
    conversationsOf(user: UserId, ended: readonly ConversationId[] | undefined): readonly UserConversation[] {
      const memberships =
        ended === undefined
          ? rowsOf<Membership>(active, user)
          : [...new Set(ended)]
              .sort()
              .flatMap((conversation) => rowOf<Membership>(membership, conversation, user) ?? [])
              .filter(({ state }) => state !== "active");
      return memberships.map((one) => {
        const record = groupRecord(one.conversation);
        return record === undefined ? { membership: one } : { membership: one, group: record };
      });
    },
    conversationCounts: (users: readonly UserId[]): readonly number[] =>
      users.map((user) => rowOf<{ n: number }>(activeCount, user)?.n ?? 0),
    searchPublic({ search = "", after = " ", limit }: PageRequest & { search?: string }): Page<GroupRecord> {
      // The key of a page is the id, which holds no space, a space, and the name.
      const space = after.indexOf(" ");
      const from = [after.slice(space + 1), after.slice(0, space)] as const;
      const rows = rowsOf<GroupRow>(publicGroups, ...from, search.toLowerCase(), limit + 1);
      return pageOf(rows.map(toGroup), limit, (one) => `${one.conversation} ${one.name.toLowerCase()}`);
    },
  };
}

type GroupRow = Omit<GroupRecord, "closed"> & { readonly closed: 0 | 1 };

const toGroup = (row: GroupRow): GroupRecord => ({ ...row, closed: row.closed === 1 });
const groupOf = (row: GroupRow | undefined): GroupRecord | undefined => row && toGroup(row);

/** One item more than the page holds was read, to know whether there is a next page. */
function pageOf<Item>(rows: readonly Item[], limit: number, keyOf: (item: Item) => string): Page<Item> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
}
