import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asConversationId, directConversationId, limits } from "@tidings/protocol";
import { type GroupRig, openGroupRig } from "../testing/group-rig.ts";

let rig: GroupRig;
beforeEach(async () => {
  rig = await openGroupRig();
});
afterEach(() => rig.close());

describe("a new group", () => {
  it("begins with its settings and its owner", async () => {
    const conversation = await rig.open({ name: "  The   lobby ", description: "Everybody" });
    expect(await rig.entriesOf(conversation)).toEqual([
      {
        seq: 1,
        kind: "group-changed",
        at_ms: rig.clock.nowMs(),
        by: rig.idOf("ann"),
        name: "The lobby",
        description: "Everybody",
        visibility: "public",
        history: "everything",
      },
      {
        seq: 2,
        kind: "member-joined",
        at_ms: rig.clock.nowMs(),
        user: rig.idOf("ann"),
        role: "owner",
        via: "creation",
      },
    ]);
    const group = await rig.call("group", { token: rig.people.ann.token, params: { conversation } });
    expect(group).toMatchObject({ name: "The lobby", role: "owner", member_count: 1 });
  });

  it.each(["", " ", "a\u0000b", "a\u202Eb"])("is not named %j", async (name) => {
    const problem = await rig.refusal("createGroup", { token: rig.people.ann.token, body: { name } });
    expect(problem.code).toBe("invalid-request");
  });

  it("is private unless its creator says otherwise, and then nobody else knows of it", async () => {
    const conversation = await rig.createGroup(rig.people.ann);
    const asBen = { token: rig.people.ben.token, params: { conversation } };
    expect((await rig.refusal("group", asBen)).code).toBe("conversation-not-found");
    expect((await rig.refusal("joinGroup", asBen)).code).toBe("conversation-not-found");
    expect((await rig.refusal("leaveGroup", asBen)).code).toBe("conversation-not-found");
    expect((await rig.refusal("members", asBen)).code).toBe("conversation-not-found");
    expect((await rig.call("listGroups", { token: rig.people.ben.token })).items).toEqual([]);
    const unknown = { token: rig.people.ben.token, params: { conversation: asConversationId("g_unknown") } };
    expect(await rig.refusal("group", unknown)).toEqual(await rig.refusal("group", asBen));
  });
});

describe("the list of public groups", () => {
  it("is in the order of names, in pages, and says where the user is in", async () => {
    for (const name of ["Zebra", "apple", "Mango"]) await rig.open({ name });
    await rig.createGroup(rig.people.ann, { name: "Apple, private" });
    const asked = { token: rig.people.ben.token, query: { limit: 2 } };
    const first = await rig.call("listGroups", asked);
    expect(first.items.map(({ name, role }) => [name, role])).toEqual([
      ["apple", undefined],
      ["Mango", undefined],
    ]);
    const second = await rig.call("listGroups", { ...asked, query: { limit: 2, after: first.next ?? "" } });
    expect(second.items.map(({ name }) => name)).toEqual(["Zebra"]);
    expect(second.next).toBeUndefined();
    const mine = await rig.call("listGroups", { token: rig.people.ann.token, query: { search: "ANG" } });
    expect(mine.items.map(({ name, role }) => [name, role])).toEqual([["Mango", "owner"]]);
  });
});

describe("joining", () => {
  it("makes a member, once", async () => {
    const conversation = await rig.open();
    const state = await rig.join("ben", conversation);
    expect(state).toMatchObject({
      conversation,
      kind: "group",
      role: "member",
      head: 3,
      first_seq: 1,
      joined_seq: 3,
      unread: 0,
    });
    expect(await rig.join("ben", conversation)).toEqual(state);
    expect(await rig.kindsOf(conversation)).toEqual(["group-changed", "member-joined", "member-joined"]);
  });

  it("works for many at once, each with his own entry", async () => {
    const conversation = await rig.open();
    await Promise.all((["ben", "cat", "dan", "ben", "cat"] as const).map((who) => rig.join(who, conversation)));
    expect(await rig.rolesOf(conversation)).toEqual({ ann: "owner", ben: "member", cat: "member", dan: "member" });
    expect(await rig.kindsOf(conversation)).toHaveLength(5);
  });

  it("shows what came before only as the group's history says", async () => {
    const conversation = await rig.open({ history: "since-join" });
    const body = { message_id: "m1" as never, text: "before" };
    await rig.call("sendMessage", { token: rig.people.ann.token, params: { conversation }, body });
    expect(await rig.join("ben", conversation)).toMatchObject({ first_seq: 4, joined_seq: 4, unread: 0 });
    const page = await rig.call("entries", { token: rig.people.ben.token, params: { conversation } });
    expect(page.entries.map(({ seq }) => seq)).toEqual([4]);
    const asOwner = { token: rig.people.ann.token, params: { conversation }, body: { history: "everything" } as const };
    await rig.call("changeGroup", asOwner);
    const later = await rig.call("entries", { token: rig.people.ben.token, params: { conversation } });
    expect(later.entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it("is bounded for each user, also when he comes into several groups at once", async () => {
    const conversations = await Promise.all([rig.open(), rig.open(), rig.open()]);
    const ben = rig.idOf("ben");
    for (let index = 1; index < limits.conversationsPerUserMax; index += 1) {
      await rig.stores.groups.ensureDirect(directConversationId(ben, `u${index}` as typeof ben));
    }
    const outcomes = await Promise.allSettled(conversations.map((conversation) => rig.join("ben", conversation)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const full = await rig.refusal("createGroup", { token: rig.people.ben.token, body: { name: "One more" } });
    expect(full.code).toBe("too-many-conversations");
  });
});

describe("leaving", () => {
  it("ends the membership, once, and what was written before stays readable", async () => {
    const conversation = await rig.open();
    await rig.join("ben", conversation);
    await rig.leave("ben", conversation);
    await rig.leave("ben", conversation);
    expect(await rig.kindsOf(conversation)).toEqual(["group-changed", "member-joined", "member-joined", "member-left"]);
    const page = await rig.call("entries", { token: rig.people.ben.token, params: { conversation } });
    expect(page).toMatchObject({ head: 4, first_seq: 1 });
    const send = {
      token: rig.people.ben.token,
      params: { conversation },
      body: { message_id: "m" as never, text: "x" },
    };
    expect((await rig.refusal("sendMessage", send)).code).toBe("not-a-member");
  });

  it("hands the group of the last owner to the highest role that joined first", async () => {
    const conversation = await rig.open();
    for (const who of ["ben", "cat", "dan"] as const) await rig.join(who, conversation);
    await rig.give("admin", { by: "ann", to: "cat", conversation });
    await rig.give("admin", { by: "ann", to: "dan", conversation });
    await rig.leave("ann", conversation);
    expect(await rig.rolesOf(conversation)).toEqual({ ben: "member", cat: "owner", dan: "admin" });
    expect((await rig.entriesOf(conversation)).slice(-2)).toMatchObject([
      { kind: "member-left", user: rig.idOf("ann") },
      { kind: "group-changed", roles: { [rig.idOf("cat")]: "owner" } },
    ]);
    const asAnn = await rig.call("entries", { token: rig.people.ann.token, params: { conversation } });
    expect(asAnn.entries.at(-1)?.kind).toBe("member-left");
  });

  it("leaves a group with another owner as it is", async () => {
    const conversation = await rig.open();
    await rig.join("ben", conversation);
    await rig.give("owner", { by: "ann", to: "ben", conversation });
    await rig.leave("ann", conversation);
    expect(await rig.rolesOf(conversation)).toEqual({ ben: "owner" });
    expect((await rig.kindsOf(conversation)).at(-1)).toBe("member-left");
  });

  it("closes the group of the last member for good", async () => {
    const conversation = await rig.open();
    await rig.join("ben", conversation);
    await rig.leave("ben", conversation);
    await rig.leave("ann", conversation);
    expect((await rig.entriesOf(conversation)).at(-1)).toMatchObject({ kind: "group-changed", closed: true });
    for (const who of ["ann", "ben", "cat"] as const) {
      const problem = await rig.refusal("joinGroup", { token: rig.tokenOf(who), params: { conversation } });
      expect([who, problem.code]).toEqual([who, "conversation-not-found"]);
    }
    expect((await rig.call("listGroups", { token: rig.people.cat.token })).items).toEqual([]);
    const page = await rig.call("entries", { token: rig.people.ben.token, params: { conversation } });
    expect(page.entries.at(-1)).toMatchObject({ kind: "member-left", user: rig.idOf("ben") });
  });
});

describe("a direct conversation", () => {
  it("has no members, roles or invitations to manage", async () => {
    const conversation = directConversationId(rig.idOf("ann"), rig.idOf("ben"));
    const params = { conversation, user_id: rig.idOf("ben") };
    const asked = { token: rig.people.ann.token, params } as never;
    for (const operation of [
      "group",
      "joinGroup",
      "leaveGroup",
      "members",
      "removeMember",
      "bans",
      "ban",
      "unban",
      "invites",
    ] as const) {
      expect([operation, (await rig.refusal(operation, asked)).code]).toEqual([operation, "not-a-group"]);
    }
  });
});
