import {
  asConversationId,
  asUserId,
  type ConversationId,
  directUsers,
  type Group,
  limits,
  type Seq,
  TidingsError,
  type User,
  type UserId,
} from "@tidings/protocol";
import {
  checkDescription,
  checkMember,
  checkName,
  checkRole,
  decideBan,
  decideCreation,
  decideJoin,
  decideLeave,
  decideRemoval,
  decideRole,
  decideSettings,
  decideUnban,
  type GroupEntryBody,
  type GroupRecord,
  type GroupSettings,
  mayKnow,
  type Membership,
  type SituationWithSubject,
} from "@tidings/core";
import type { AccessService, Base } from "../services.ts";
import { createGroupChanges, type GroupView, type OnApplied } from "./group-changes.ts";
import type { AboutMember, GroupService } from "./group-service-types.ts";
import { createInvites } from "./invites.ts";
import { KeyedQueue } from "./keyed-queue.ts";

export function createGroupService(base: Base, access: AccessService, onApplied?: OnApplied): GroupService {
  const { stores, random } = base;
  const { groups } = stores;
  const changes = createGroupChanges(base, access, onApplied);
  /** Who comes into two groups at a time is counted once at a time. */
  const comingIn = new KeyedQueue({ waitingMax: comingInWaitingMax });
  const invites = createInvites(base, {
    situation,
    state: (user, conversation) => access.state(user, conversation),
    async membershipOf(user, conversation) {
      await access.accessAll(user, [conversation]);
      return groups.membership(conversation, user);
    },
    join: (user, conversation, { since }) => join(user, conversation, "invite", since),
  });

  return {
    create: (user, request) =>
      comingIn.run(user, async () => {
        await checkRoom(user);
        const conversation = asConversationId(`g_${random.unguessable(16)}`);
        const settings = {
          name: checkName(request.name),
          description: checkDescription(request.description ?? ""),
          visibility: request.visibility ?? "private",
          history: request.history ?? "everything",
        };
        await changes.create(conversation, decideCreation(user, settings));
        return readGroup(user, conversation);
      }),

    group: readGroup,

    async search(user, { search, after, limit }) {
      const page = await groups.searchPublic({
        limit: limit ?? limits.pageDefault,
        ...(search !== undefined && { search }),
        ...(after !== undefined && { after }),
      });
      const mine = await access.accessAll(
        user,
        page.items.map(({ conversation }) => conversation),
      );
      const items = page.items.map((group) => toGroup(group, mine.get(group.conversation)?.membership));
      return { items, ...(page.next !== undefined && { next: page.next }) };
    },

    async change(user, conversation, change) {
      const settings = {
        ...change,
        ...(change.name !== undefined && { name: checkName(change.name) }),
        ...(change.description !== undefined && { description: checkDescription(change.description) }),
      } as GroupSettings;
      await changeAs(user, conversation, async (asked) => decideSettings({ ...asked, settings }));
      return readGroup(user, conversation);
    },

    join: (user, conversation) => join(user, conversation, "join"),

    leave: (user, conversation) =>
      changeAs(
        user,
        conversation,
        async (asked) => {
          const successor = await groups.successor(conversation, user);
          return decideLeave({ ...asked, successor: successor?.user });
        },
        { ending: [user] },
      ),

    async members(user, conversation, query) {
      checkMember(await situation(user, conversation));
      const page = await groups.members(conversation, pageOf(query, "active"));
      const users = await usersOf(page.items);
      const items = page.items.flatMap(({ user: id, role, joinedSeq }) => {
        const member = users.get(id);
        return member === undefined ? [] : [{ user: member, role, joined_seq: joinedSeq }];
      });
      return { items, ...(page.next !== undefined && { next: page.next }) };
    },

    async bans(user, conversation, query) {
      checkRole(await situation(user, conversation), "admin");
      const page = await groups.members(conversation, pageOf(query, "banned"));
      const users = await usersOf(page.items);
      const items = page.items.flatMap(({ user: id }) => users.get(id) ?? []);
      return { items, ...(page.next !== undefined && { next: page.next }) };
    },

    changeRole: (user, { role, ...about }) => changeSubject(user, about, (asked) => decideRole({ ...asked, role })),
    remove: (user, about) => changeSubject(user, about, decideRemoval),
    ban: (user, about) =>
      changeSubject(user, about, decideBan, async () => {
        const found = await stores.accounts.find({ users: [about.subject] });
        if (found.length === 0) throw new TidingsError("user-not-found");
      }),
    unban: (user, about) => changeSubject(user, about, decideUnban),

    ...invites,
  };

  async function join(user: UserId, conversation: ConversationId, via: "join" | "invite", since?: Seq) {
    await comingIn.run(user, () =>
      changeAs(user, conversation, async (asked) => {
        const { state, joinedSeq = 0 } = asked.membership ?? {};
        // He was in and went meanwhile: what he showed was for coming in that time.
        if (since !== undefined && state !== "active" && joinedSeq !== since)
          throw new TidingsError("invite-not-found");
        const bodies = decideJoin({ ...asked, via });
        if (bodies.length > 0) await checkRoom(user);
        return bodies;
      }),
    );
    return access.state(user, conversation);
  }

  async function checkRoom(user: UserId): Promise<void> {
    if ((await access.conversationIds(user)).length < limits.conversationsPerUserMax) return;
    throw new TidingsError("too-many-conversations");
  }

  async function readGroup(user: UserId, conversation: ConversationId): Promise<Group> {
    const { group, membership } = await situation(user, conversation);
    return toGroup(group, membership);
  }

  /** For who may know of the group; rejects with `conversation-not-found`, `not-a-group`. */
  async function situation(user: UserId, conversation: ConversationId) {
    checkGroup(conversation);
    // Whoever may read has been compared with the entries; so the records read after that are at least as new.
    await access.accessAll(user, [conversation]);
    const [group, membership] = await Promise.all([groups.group(conversation), groups.membership(conversation, user)]);
    if (!mayKnow(group, membership)) throw new TidingsError("conversation-not-found");
    return { group, membership, actor: user };
  }

  async function changeAs(
    user: UserId,
    conversation: ConversationId,
    decide: (asked: {
      group: GroupRecord;
      actor: UserId;
      membership: Membership | undefined;
      view: GroupView;
    }) => Promise<readonly GroupEntryBody[]>,
    options: { ending?: readonly UserId[] } = {},
  ): Promise<void> {
    checkGroup(conversation);
    await changes.change(
      conversation,
      async (view) => decide({ group: view.group, actor: user, membership: await view.membershipOf(user), view }),
      options,
    );
  }

  /** `checkSubject` is asked only if the actor may do what he asks for: not everybody learns which users exist. */
  async function changeSubject(
    user: UserId,
    { conversation, subject }: AboutMember,
    decide: (asked: SituationWithSubject) => readonly GroupEntryBody[],
    checkSubject: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    await changeAs(
      user,
      conversation,
      async ({ view, ...asked }) => {
        const subjectMembership = await view.membershipOf(subject);
        const bodies = decide({ ...asked, subject, subjectMembership });
        if (bodies.length > 0 && subjectMembership === undefined) await checkSubject();
        return bodies;
      },
      { ending: [subject] },
    );
  }

  async function usersOf(memberships: readonly Membership[]): Promise<ReadonlyMap<UserId, User>> {
    if (memberships.length === 0) return new Map();
    const found = await stores.accounts.find({ users: memberships.map(({ user }) => user) });
    return new Map(
      found.map(({ user, name, displayName }) => [user, { user_id: user, name, display_name: displayName }]),
    );
  }
}

const comingInWaitingMax = 10_000;

function checkGroup(conversation: ConversationId): void {
  if (directUsers(conversation) !== undefined) throw new TidingsError("not-a-group");
}

function pageOf<State extends "active" | "banned">(query: { after?: string; limit?: number }, state: State) {
  const { after, limit } = query;
  return {
    state,
    limit: limit ?? limits.pageDefault,
    ...(after !== undefined && { after: asUserId(after) }),
  };
}

function toGroup(group: GroupRecord, membership: Membership | undefined): Group {
  const { conversation, name, description, visibility, history, memberCount } = group;
  return {
    conversation,
    name,
    description,
    visibility,
    history,
    member_count: memberCount,
    ...(membership?.state === "active" && { role: membership.role }),
  };
}
