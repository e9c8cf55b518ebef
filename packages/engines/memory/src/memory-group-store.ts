import {
  applyMembershipChanges,
  type GroupRecord,
  type GroupStore,
  invariant,
  type Membership,
  type MembershipIndex,
  type Page,
  type PageRequest,
} from "@tidings/core";
import { asSeq, type ConversationId, directUsers, type Role, type UserId } from "@tidings/protocol";

/** The Group DB, from both sides. */
export function createMemoryGroupStore(): { readonly groups: GroupStore; readonly memberships: MembershipIndex } {
  const records = new Map<ConversationId, GroupRecord>();
  const members = new Map<ConversationId, Members>();
  const conversations = new Map<UserId, Set<ConversationId>>();
  /** How many of them the user is an active member of. */
  const activeCounts = new Map<UserId, number>();

  const membersOf = (conversation: ConversationId): Members => {
    const known = members.get(conversation) ?? { byUser: new Map(), sorted: undefined };
    members.set(conversation, known);
    return known;
  };
  const store = (conversation: ConversationId, user: UserId, membership: Membership | undefined): void => {
    const known = membersOf(conversation);
    known.sorted = undefined;
    const more = Number(membership?.state === "active") - Number(known.byUser.get(user)?.state === "active");
    activeCounts.set(user, (activeCounts.get(user) ?? 0) + more);
    if (membership === undefined) {
      known.byUser.delete(user);
      conversations.get(user)?.delete(conversation);
      return;
    }
    known.byUser.set(user, membership);
    const own = conversations.get(user) ?? new Set();
    conversations.set(user, own.add(conversation));
  };

  const groups: GroupStore = {
    async apply(conversation, changes) {
      const image = { group: records.get(conversation), memberships: membersOf(conversation).byUser };
      const changed = applyMembershipChanges(conversation, image, changes);
      if (changed === undefined) return;
      records.set(conversation, changed.group);
      for (const [user, membership] of changed.memberships) store(conversation, user, membership);
    },
    group: async (conversation) => records.get(conversation),
    membership: async (conversation, user) => members.get(conversation)?.byUser.get(user),
    async members(conversation, { state, after, limit }) {
      const known = membersOf(conversation);
      known.sorted ??= [...known.byUser.values()].sort((a, b) => compare(a.user, b.user));
      const matching = known.sorted.filter((one) => one.state === state);
      return pageOf(matching, { limit, ...(after !== undefined && { after }) }, (one) => one.user);
    },
    async successor(conversation, leaving) {
      const candidates = [...membersOf(conversation).byUser.values()].filter(
        (one) => one.state === "active" && one.user !== leaving,
      );
      return candidates.sort((a, b) => rank[a.role] - rank[b.role] || a.joinedSeq - b.joinedSeq)[0];
    },
    async searchPublic({ search, ...request }) {
      const wanted = (search ?? "").toLowerCase();
      const found = [...records.values()]
        .filter((group) => group.visibility === "public" && !group.closed)
        .filter((group) => group.name.toLowerCase().includes(wanted))
        .sort((a, b) => comparePublic(publicKey(a), publicKey(b)));
      return pageOf(found, request, publicKey, comparePublic);
    },
    async ensureDirect(conversation) {
      const users = directUsers(conversation);
      invariant(users !== undefined, "Only a direct conversation has its users in its id.");
      for (const user of users) {
        if (membersOf(conversation).byUser.has(user)) continue;
        store(conversation, user, { conversation, user, role: "member", state: "active", joinedSeq: asSeq(1) });
      }
    },
  };
  const memberships: MembershipIndex = {
    async conversationsOf(user, { ended } = {}) {
      const own = conversations.get(user) ?? new Set<ConversationId>();
      const asked = ended === undefined ? [...own] : ended.filter((conversation) => own.has(conversation));
      return [...new Set(asked)].sort(compare).flatMap((conversation) => {
        const membership = members.get(conversation)?.byUser.get(user);
        if (membership === undefined || (membership.state === "active") !== (ended === undefined)) return [];
        const group = records.get(conversation);
        return [group === undefined ? { membership } : { membership, group }];
      });
    },
    conversationCounts: async (users) => users.map((user) => activeCounts.get(user) ?? 0),
  };
  return { groups, memberships };
}

type Members = {
  readonly byUser: Map<UserId, Membership>;
  /** By user id; made when it is asked for, forgotten when a membership changes. */
  sorted: readonly Membership[] | undefined;
};

const rank: Readonly<Record<Role, number>> = { owner: 0, admin: 1, member: 2 };
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** An id holds no space, so the key of a page can hold both. */
const publicKey = (group: GroupRecord): string => `${group.conversation} ${group.name.toLowerCase()}`;

function comparePublic(a: string, b: string): number {
  const [aId, aName] = split(a);
  const [bId, bName] = split(b);
  return compare(aName, bName) || compare(aId, bId);
}

function split(key: string): readonly [id: string, name: string] {
  const space = key.indexOf(" ");
  return [key.slice(0, space), key.slice(space + 1)];
}

function pageOf<Item>(
  sorted: readonly Item[],
  { after, limit }: PageRequest,
  keyOf: (item: Item) => string,
  order = compare,
): Page<Item> {
  const rest = after === undefined ? sorted : sorted.filter((item) => order(keyOf(item), after) > 0);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return rest.length > items.length && last !== undefined ? { items, next: keyOf(last) } : { items };
}
