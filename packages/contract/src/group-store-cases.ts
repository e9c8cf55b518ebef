import { deepEqual, equal } from "node:assert/strict";
import type { GroupStore, MembershipChange } from "@tidings/core";
import { asSeq, type ConversationId, directConversationId, type Role, type UserId } from "@tidings/protocol";
import fc from "fast-check";
import type { ContractCase } from "./contract-case.ts";
import type { Installation } from "./installation.ts";
import { fresh, times } from "./samples.ts";

/** The promises of `GroupStore`. G7 rests on them: whoever is not a member here gets nothing. */
export const groupStoreCases: readonly ContractCase<Installation>[] = [
  {
    name: "makes a group and its members of the entries that create it",
    async run({ stores: { groups } }) {
      const { conversation, owner } = await createGroup(groups, { name: "Gardeners" });
      deepEqual(await groups.group(conversation), {
        conversation,
        name: "Gardeners",
        description: "",
        visibility: "public",
        history: "everything",
        closed: false,
        memberCount: 1,
        ownerCount: 1,
        appliedSeq: 2,
      });
      deepEqual(await groups.membership(conversation, owner), {
        conversation,
        user: owner,
        role: "owner",
        state: "active",
        joinedSeq: 2,
      });
      equal(await groups.group(fresh.conversation()), undefined);
      equal(await groups.membership(conversation, fresh.user()), undefined);
    },
  },
  {
    name: "ends a membership at the entry that ends it, and not only for a moment (G7)",
    async run({ stores: { groups, memberships } }) {
      const { conversation } = await createGroup(groups);
      const [left, removed, banned] = [fresh.user(), fresh.user(), fresh.user()];
      await groups.apply(conversation, [joined(3, left), joined(4, removed), joined(5, banned)]);
      equal((await groups.membership(conversation, removed))?.state, "active");
      await groups.apply(conversation, [
        { change: "left", seq: asSeq(6), user: left },
        { change: "removed", seq: asSeq(7), user: removed, banned: false },
        { change: "removed", seq: asSeq(8), user: banned, banned: true },
      ]);
      const state = async (user: UserId) => {
        const membership = await groups.membership(conversation, user);
        return [membership?.state, membership?.joinedSeq, membership?.endedSeq];
      };
      deepEqual(await state(left), ["left", 3, 6]);
      deepEqual(await state(removed), ["removed", 4, 7]);
      deepEqual(await state(banned), ["banned", 5, 8]);
      equal((await groups.group(conversation))?.memberCount, 1);
      for (const user of [left, removed, banned]) deepEqual(await memberships.conversationsOf(user), []);
      equal((await groups.members(conversation, { state: "active", limit: 10 })).items.length, 1);
    },
  },
  {
    name: "lets a former member join again, from a new entry on",
    async run({ stores: { groups } }) {
      const { conversation } = await createGroup(groups);
      const user = fresh.user();
      await groups.apply(conversation, [joined(3, user, "admin"), { change: "left", seq: asSeq(4), user }]);
      await groups.apply(conversation, [joined(5, user)]);
      const expected = { conversation, user, role: "member", state: "active", joinedSeq: 5 };
      deepEqual(await groups.membership(conversation, user), expected);
      equal((await groups.group(conversation))?.memberCount, 2);
    },
  },
  {
    name: "bans also a user who was never in, and forgets him when the ban is lifted",
    async run({ stores: { groups } }) {
      const { conversation } = await createGroup(groups);
      const [stranger, former] = [fresh.user(), fresh.user()];
      await groups.apply(conversation, [joined(3, former), { change: "left", seq: asSeq(4), user: former }]);
      for (const [at, user] of [stranger, former].entries()) {
        await groups.apply(conversation, [{ change: "removed", seq: asSeq(5 + at), user, banned: true }]);
      }
      deepEqual(await groups.membership(conversation, stranger), {
        ...{ conversation, user: stranger, role: "member", state: "banned" },
        ...{ joinedSeq: 0, endedSeq: 0 },
      });
      equal((await groups.membership(conversation, former))?.endedSeq, 4);
      const banned = await groups.members(conversation, { state: "banned", limit: 10 });
      deepEqual(new Set(banned.items.map(({ user }) => user)), new Set([stranger, former]));
      equal((await groups.group(conversation))?.memberCount, 1);
      await groups.apply(conversation, [
        { change: "settings", seq: asSeq(7), unbanned: stranger },
        { change: "settings", seq: asSeq(8), unbanned: former },
      ]);
      equal(await groups.membership(conversation, stranger), undefined);
      equal((await groups.membership(conversation, former))?.state, "removed");
    },
  },
  {
    name: "changes settings and roles, each only where the entry names it",
    async run({ stores: { groups } }) {
      const { conversation, owner } = await createGroup(groups, { name: "Before" });
      const user = fresh.user();
      await groups.apply(conversation, [joined(3, user)]);
      await groups.apply(conversation, [
        { change: "settings", seq: asSeq(4), name: "After", history: "since-join", description: "about" },
        { change: "settings", seq: asSeq(5), roles: { [user]: "owner", [owner]: "admin", [fresh.user()]: "owner" } },
        { change: "settings", seq: asSeq(6), visibility: "private" },
      ]);
      const group = await groups.group(conversation);
      deepEqual([group?.name, group?.description, group?.history], ["After", "about", "since-join"]);
      deepEqual([group?.visibility, group?.ownerCount, group?.memberCount], ["private", 1, 2]);
      equal((await groups.membership(conversation, user))?.role, "owner");
      equal((await groups.membership(conversation, owner))?.role, "admin");
    },
  },
  {
    name: "does nothing with what was applied before",
    async run({ stores: { groups } }) {
      const { conversation, owner } = await createGroup(groups);
      const user = fresh.user();
      const changes: MembershipChange[] = [joined(3, user), { change: "left", seq: asSeq(4), user }, joined(5, user)];
      await groups.apply(conversation, changes);
      const look = async () => ({
        group: await groups.group(conversation),
        members: await groups.members(conversation, { state: "active", limit: 10 }),
      });
      const before = await look();
      await groups.apply(conversation, changes);
      await groups.apply(conversation, changes.slice(1, 2));
      await groups.apply(conversation, [{ change: "left", seq: asSeq(2), user: owner }]);
      deepEqual(await look(), before);
    },
  },
  {
    name: "comes to the same whatever the portions and repetitions in which changes are applied",
    run: ({ stores: { groups } }) =>
      fc.assert(
        fc.asyncProperty(arbitraryChanges, fc.array(fc.nat({ max: 25 }), { maxLength: 6 }), async (changes, cuts) => {
          const users = times(4, fresh.user);
          const [once, portions] = [await createGroup(groups), await createGroup(groups)];
          const made = changes.map((make, index) => make(users, index + 3));
          await groups.apply(once.conversation, made);
          for (const cut of cuts) await groups.apply(portions.conversation, made.slice(0, cut));
          await groups.apply(portions.conversation, made);
          const look = async (conversation: ConversationId, owner: UserId) => {
            const all = await Promise.all([owner, ...users].map((user) => groups.membership(conversation, user)));
            const [group, ...memberships] = [await groups.group(conversation), ...all];
            return JSON.stringify([group, memberships]).replaceAll(conversation, "it").replaceAll(owner, "owner");
          };
          equal(await look(portions.conversation, portions.owner), await look(once.conversation, once.owner));
          const group = await groups.group(once.conversation);
          const { items } = await groups.members(once.conversation, { state: "active", limit: 100 });
          equal(group?.memberCount, items.length);
          equal(group?.ownerCount, items.filter(({ role }) => role === "owner").length);
        }),
        { numRuns: 40 },
      ),
  },
  {
    name: "pages members by user id, each once",
    async run({ stores: { groups } }) {
      const { conversation, owner } = await createGroup(groups);
      const users = times(25, fresh.user);
      await groups.apply(
        conversation,
        users.map((user, index) => joined(index + 3, user)),
      );
      const seen: UserId[] = [];
      let after: string | undefined;
      do {
        const page = await groups.members(conversation, { state: "active", limit: 10, ...(after && { after }) });
        seen.push(...page.items.map(({ user }) => user));
        after = page.next;
      } while (after !== undefined);
      deepEqual(seen, [owner, ...users].sort());
      const exact = await groups.members(conversation, { state: "active", limit: 26 });
      equal(exact.next, undefined);
    },
  },
  {
    name: "names as successor the highest role, and of that the one who joined first",
    async run({ stores: { groups } }) {
      const { conversation, owner } = await createGroup(groups);
      equal(await groups.successor(conversation, owner), undefined);
      const [first, second, admin, co] = [fresh.user(), fresh.user(), fresh.user(), fresh.user()];
      const successor = async () => (await groups.successor(conversation, owner))?.user;
      await groups.apply(conversation, [
        joined(3, second),
        joined(4, first),
        { change: "left", seq: asSeq(5), user: second },
      ]);
      equal(await successor(), first);
      await groups.apply(conversation, [joined(6, second)]);
      equal(await successor(), first);
      await groups.apply(conversation, [joined(7, admin, "admin")]);
      equal(await successor(), admin);
      await groups.apply(conversation, [joined(8, co, "owner")]);
      equal(await successor(), co);
    },
  },
  {
    name: "lists a user's conversations by id, and the ended ones that are asked for",
    async run({ stores: { groups, memberships } }) {
      const user = fresh.user();
      const made = await Promise.all(times(5, () => createGroup(groups)));
      for (const { conversation } of made) await groups.apply(conversation, [joined(3, user)]);
      const direct = directConversationId(user, fresh.user());
      await groups.ensureDirect(direct);
      const [over, still] = [made[1]!.conversation, made[2]!.conversation];
      await groups.apply(over, [{ change: "removed", seq: asSeq(4), user, banned: true }]);
      const listed = await memberships.conversationsOf(user);
      const active = made.map(({ conversation }) => conversation).filter((conversation) => conversation !== over);
      deepEqual(
        listed.map(({ membership }) => membership.conversation),
        [direct, ...active].sort(),
      );
      const group = listed.find(({ membership }) => membership.conversation === still)?.group;
      deepEqual(group, await groups.group(still));
      equal("group" in listed[0]!, false);
      const ended = await memberships.conversationsOf(user, { ended: [still, over, fresh.conversation()] });
      deepEqual(
        ended.map(({ membership }) => [membership.conversation, membership.state]),
        [[over, "banned"]],
      );
      deepEqual(await memberships.conversationsOf(user, { ended: [] }), []);
    },
  },
  {
    name: "counts the conversations that users are in, also of users whom nobody knows, in the order asked",
    async run({ stores: { groups, memberships } }) {
      const [ben, cat, nobody] = [fresh.user(), fresh.user(), fresh.user()];
      const made = await Promise.all(times(3, () => createGroup(groups)));
      for (const { conversation } of made) await groups.apply(conversation, [joined(3, ben), joined(4, cat)]);
      await groups.ensureDirect(directConversationId(ben, nobody));
      deepEqual(await memberships.conversationCounts([cat, ben, fresh.user(), cat]), [3, 4, 0, 3]);
      const [first, second] = made;
      await groups.apply(first!.conversation, [{ change: "removed", seq: asSeq(5), user: cat, banned: false }]);
      await groups.apply(second!.conversation, [{ change: "left", seq: asSeq(5), user: cat }]);
      deepEqual(await memberships.conversationCounts([nobody, cat, ben]), [1, 1, 4]);
      deepEqual(await memberships.conversationCounts([]), []);
    },
  },
  {
    name: "finds public groups by a part of the name without case, page by page, by name",
    async run({ stores: { groups } }) {
      const part = fresh.name();
      const names = ["Zebra", "apple", "Mango", "apple", "Ärger"].map((name) => `${name} ${part.toUpperCase()}`);
      const made = await Promise.all(names.map((name) => createGroup(groups, { name })));
      const hidden = await createGroup(groups, { name: `hidden ${part}`, visibility: "private" });
      const closed = await createGroup(groups, { name: `closed ${part}` });
      await groups.apply(closed.conversation, [{ change: "settings", seq: asSeq(3), closed: true }]);
      equal((await groups.group(closed.conversation))?.closed, true);
      const found: ConversationId[] = [];
      let after: string | undefined;
      do {
        const page = await groups.searchPublic({ search: part, limit: 2, ...(after && { after }) });
        found.push(...page.items.map(({ conversation }) => conversation));
        after = page.next;
      } while (after !== undefined);
      const byName = [made[1], made[3]].map((group) => group!.conversation).sort();
      const expected = [...byName, ...[made[2], made[0], made[4]].map((group) => group!.conversation)];
      deepEqual(found, expected);
      equal(found.includes(hidden.conversation), false);
    },
  },
  {
    name: "notes a direct conversation for both of its users, or for the one who talks to himself",
    async run({ stores: { groups, memberships } }) {
      const [ann, bob] = [fresh.user(), fresh.user()];
      const [both, alone] = [directConversationId(ann, bob), directConversationId(ann, ann)];
      for (const conversation of [both, both, alone]) await groups.ensureDirect(conversation);
      const expected = { conversation: both, user: bob, role: "member", state: "active", joinedSeq: 1 };
      deepEqual(await memberships.conversationsOf(bob), [{ membership: expected }]);
      equal((await memberships.conversationsOf(ann)).length, 2);
      deepEqual((await groups.members(both, { state: "active", limit: 5 })).items.length, 2);
      equal(await groups.group(both), undefined);
    },
  },
  {
    name: "keeps through a crash what it had answered",
    async run(installation) {
      if (installation.crash === undefined) return;
      const user = fresh.user();
      const { conversation, owner } = await createGroup(installation.stores.groups);
      await installation.stores.groups.apply(conversation, [joined(3, user)]);
      await installation.stores.groups.ensureDirect(directConversationId(user, owner));
      const before = await installation.stores.memberships.conversationsOf(user);
      await installation.crash();
      equal(before.length, 2);
      deepEqual(await installation.stores.memberships.conversationsOf(user), before);
    },
  },
];

const joined = (seq: number, user: UserId, role: Role = "member"): MembershipChange => ({
  change: "joined",
  seq: asSeq(seq),
  user,
  role,
});

/** A group with its owner, made by the entries 1 and 2. */
async function createGroup(
  groups: GroupStore,
  settings: { name?: string; visibility?: "public" | "private" } = {},
): Promise<{ conversation: ConversationId; owner: UserId }> {
  const [conversation, owner] = [fresh.conversation(), fresh.user()];
  const creation = { name: "A group", visibility: "public", history: "everything", ...settings } as const;
  await groups.apply(conversation, [{ change: "settings", seq: asSeq(1), ...creation }, joined(2, owner, "owner")]);
  return { conversation, owner };
}

/** Changes to a group of four users, also ones that no service would make. */
const arbitraryChanges: fc.Arbitrary<readonly ((users: readonly UserId[], seq: number) => MembershipChange)[]> =
  fc.array(
    fc
      .record({
        change: fc.constantFrom("joined", "left", "removed", "banned", "roles", "unbanned", "name"),
        user: fc.nat({ max: 3 }),
        role: fc.constantFrom<Role>("owner", "admin", "member"),
      })
      .map(({ change, user: index, role }) => (users: readonly UserId[], at: number): MembershipChange => {
        const [seq, user] = [asSeq(at), users[index]!];
        if (change === "joined") return { change, seq, user, role };
        if (change === "left") return { change, seq, user };
        if (change === "removed" || change === "banned")
          return { change: "removed", seq, user, banned: change === "banned" };
        if (change === "roles") return { change: "settings", seq, roles: { [user]: role } };
        return { change: "settings", seq, ...(change === "unbanned" ? { unbanned: user } : { name: `name ${at}` }) };
      }),
    { maxLength: 25 },
  );
