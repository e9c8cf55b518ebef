import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  asConversationId,
  type ConversationId,
  directConversationId,
  type Entry,
  limits,
  type Role,
} from "@tidings/protocol";
import { createManualClock, type ManualClock } from "@tidings/core";
import { asSeq } from "@tidings/protocol";
import { type HttpRig, openHttpRig, type Person } from "../testing/http-rig.ts";

let rig: HttpRig;
let clock: ManualClock;
let people: Record<"ann" | "ben" | "cat" | "dan", Person>;

beforeEach(async () => {
  clock = createManualClock();
  rig = await openHttpRig({ clock });
  people = await rig.addPeople("ann", "ben", "cat", "dan");
});
afterEach(() => rig.close());

type Who = keyof typeof people;
const idOf = (who: Who) => people[who].user.user_id;

async function open(settings: Parameters<HttpRig["createGroup"]>[1] = {}): Promise<ConversationId> {
  return rig.createGroup(people.ann, { visibility: "public", ...settings });
}
const join = (who: Who, conversation: ConversationId) =>
  rig.call("joinGroup", { token: people[who].token, params: { conversation } });
const leave = (who: Who, conversation: ConversationId) =>
  rig.call("leaveGroup", { token: people[who].token, params: { conversation } });
const give = (who: Who, conversation: ConversationId, subject: Who, role: Role) =>
  rig.call("changeMember", {
    token: people[who].token,
    params: { conversation, user_id: idOf(subject) },
    body: { role },
  });

async function entriesOf(conversation: ConversationId): Promise<readonly Entry[]> {
  const range = { conversation, fromSeq: asSeq(1), toSeq: asSeq(1_000), charactersMax: 1_000_000 };
  return (await rig.stores.messages.entries(range)).map(({ json }) => JSON.parse(json) as Entry);
}
const kindsOf = async (conversation: ConversationId) => (await entriesOf(conversation)).map(({ kind }) => kind);

async function rolesOf(conversation: ConversationId): Promise<Record<string, Role>> {
  const { items } = await rig.stores.groups.members(conversation, { state: "active", limit: 1_000 });
  const names = new Map(Object.entries(people).map(([name, { user }]) => [user.user_id, name]));
  return Object.fromEntries(items.map(({ user, role }) => [names.get(user), role]));
}

describe("a new group", () => {
  it("begins with its settings and its owner", async () => {
    const conversation = await open({ name: "  The   lobby ", description: "Everybody" });
    expect(await entriesOf(conversation)).toEqual([
      {
        seq: 1,
        kind: "group-changed",
        at_ms: clock.nowMs(),
        by: idOf("ann"),
        name: "The lobby",
        description: "Everybody",
        visibility: "public",
        history: "everything",
      },
      { seq: 2, kind: "member-joined", at_ms: clock.nowMs(), user: idOf("ann"), role: "owner", via: "creation" },
    ]);
    const group = await rig.call("group", { token: people.ann.token, params: { conversation } });
    expect(group).toMatchObject({ name: "The lobby", role: "owner", member_count: 1 });
  });

  it.each(["", " ", "a\u0000b", "a\u202Eb"])("is not named %j", async (name) => {
    const problem = await rig.refusal("createGroup", { token: people.ann.token, body: { name } });
    expect(problem.code).toBe("invalid-request");
  });

  it("is private unless its creator says otherwise, and then nobody else knows of it", async () => {
    const conversation = await rig.createGroup(people.ann);
    const asBen = { token: people.ben.token, params: { conversation } };
    expect((await rig.refusal("group", asBen)).code).toBe("conversation-not-found");
    expect((await rig.refusal("joinGroup", asBen)).code).toBe("conversation-not-found");
    expect((await rig.refusal("leaveGroup", asBen)).code).toBe("conversation-not-found");
    expect((await rig.refusal("members", asBen)).code).toBe("conversation-not-found");
    expect((await rig.call("listGroups", { token: people.ben.token })).items).toEqual([]);
    const unknown = { token: people.ben.token, params: { conversation: asConversationId("g_unknown") } };
    expect(await rig.refusal("group", unknown)).toEqual(await rig.refusal("group", asBen));
  });
});

describe("the list of public groups", () => {
  it("is in the order of names, in pages, and says where the user is in", async () => {
    for (const name of ["Zebra", "apple", "Mango"]) await open({ name });
    await rig.createGroup(people.ann, { name: "Apple, private" });
    const asked = { token: people.ben.token, query: { limit: 2 } };
    const first = await rig.call("listGroups", asked);
    expect(first.items.map(({ name, role }) => [name, role])).toEqual([
      ["apple", undefined],
      ["Mango", undefined],
    ]);
    const second = await rig.call("listGroups", { ...asked, query: { limit: 2, after: first.next ?? "" } });
    expect(second.items.map(({ name }) => name)).toEqual(["Zebra"]);
    expect(second.next).toBeUndefined();
    const mine = await rig.call("listGroups", { token: people.ann.token, query: { search: "ANG" } });
    expect(mine.items.map(({ name, role }) => [name, role])).toEqual([["Mango", "owner"]]);
  });
});

describe("joining", () => {
  it("makes a member, once", async () => {
    const conversation = await open();
    const state = await join("ben", conversation);
    expect(state).toMatchObject({
      conversation,
      kind: "group",
      role: "member",
      head: 3,
      first_seq: 1,
      joined_seq: 3,
      unread: 0,
    });
    expect(await join("ben", conversation)).toEqual(state);
    expect(await kindsOf(conversation)).toEqual(["group-changed", "member-joined", "member-joined"]);
  });

  it("works for many at once, each with his own entry", async () => {
    const conversation = await open();
    await Promise.all((["ben", "cat", "dan", "ben", "cat"] as const).map((who) => join(who, conversation)));
    expect(await rolesOf(conversation)).toEqual({ ann: "owner", ben: "member", cat: "member", dan: "member" });
    expect(await kindsOf(conversation)).toHaveLength(5);
  });

  it("shows what came before only as the group's history says", async () => {
    const conversation = await open({ history: "since-join" });
    const body = { message_id: "m1" as never, text: "before" };
    await rig.call("sendMessage", { token: people.ann.token, params: { conversation }, body });
    expect(await join("ben", conversation)).toMatchObject({ first_seq: 4, joined_seq: 4, unread: 0 });
    const page = await rig.call("entries", { token: people.ben.token, params: { conversation } });
    expect(page.entries.map(({ seq }) => seq)).toEqual([4]);
    const asOwner = { token: people.ann.token, params: { conversation }, body: { history: "everything" } as const };
    await rig.call("changeGroup", asOwner);
    const later = await rig.call("entries", { token: people.ben.token, params: { conversation } });
    expect(later.entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it("is bounded for each user, also when he comes into several groups at once", async () => {
    const conversations = await Promise.all([open(), open(), open()]);
    const ben = idOf("ben");
    for (let index = 1; index < limits.conversationsPerUserMax; index += 1) {
      await rig.stores.groups.ensureDirect(directConversationId(ben, `u${index}` as typeof ben));
    }
    const outcomes = await Promise.allSettled(conversations.map((conversation) => join("ben", conversation)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const full = await rig.refusal("createGroup", { token: people.ben.token, body: { name: "One more" } });
    expect(full.code).toBe("too-many-conversations");
  });
});

describe("leaving", () => {
  it("ends the membership, once, and what was written before stays readable", async () => {
    const conversation = await open();
    await join("ben", conversation);
    await leave("ben", conversation);
    await leave("ben", conversation);
    expect(await kindsOf(conversation)).toEqual(["group-changed", "member-joined", "member-joined", "member-left"]);
    const page = await rig.call("entries", { token: people.ben.token, params: { conversation } });
    expect(page).toMatchObject({ head: 4, first_seq: 1 });
    const send = { token: people.ben.token, params: { conversation }, body: { message_id: "m" as never, text: "x" } };
    expect((await rig.refusal("sendMessage", send)).code).toBe("not-a-member");
  });

  it("hands the group of the last owner to the highest role that joined first", async () => {
    const conversation = await open();
    for (const who of ["ben", "cat", "dan"] as const) await join(who, conversation);
    await give("ann", conversation, "cat", "admin");
    await give("ann", conversation, "dan", "admin");
    await leave("ann", conversation);
    expect(await rolesOf(conversation)).toEqual({ ben: "member", cat: "owner", dan: "admin" });
    expect((await entriesOf(conversation)).slice(-2)).toMatchObject([
      { kind: "member-left", user: idOf("ann") },
      { kind: "group-changed", roles: { [idOf("cat")]: "owner" } },
    ]);
    const asAnn = await rig.call("entries", { token: people.ann.token, params: { conversation } });
    expect(asAnn.entries.at(-1)?.kind).toBe("member-left");
  });

  it("leaves a group with another owner as it is", async () => {
    const conversation = await open();
    await join("ben", conversation);
    await give("ann", conversation, "ben", "owner");
    await leave("ann", conversation);
    expect(await rolesOf(conversation)).toEqual({ ben: "owner" });
    expect((await kindsOf(conversation)).at(-1)).toBe("member-left");
  });

  it("closes the group of the last member for good", async () => {
    const conversation = await open();
    await join("ben", conversation);
    await leave("ben", conversation);
    await leave("ann", conversation);
    expect((await entriesOf(conversation)).at(-1)).toMatchObject({ kind: "group-changed", closed: true });
    for (const who of ["ann", "ben", "cat"] as const) {
      const problem = await rig.refusal("joinGroup", { token: people[who].token, params: { conversation } });
      expect([who, problem.code]).toEqual([who, "conversation-not-found"]);
    }
    expect((await rig.call("listGroups", { token: people.cat.token })).items).toEqual([]);
    const page = await rig.call("entries", { token: people.ben.token, params: { conversation } });
    expect(page.entries.at(-1)).toMatchObject({ kind: "member-left", user: idOf("ben") });
  });
});

describe("roles", () => {
  type Operation =
    | "changeGroup"
    | "changeMember"
    | "removeMember"
    | "ban"
    | "unban"
    | "bans"
    | "invites"
    | "createInvite";
  const table: Record<Operation, Record<Role, string>> = {
    changeGroup: { owner: "yes", admin: "yes", member: "role-required" },
    changeMember: { owner: "yes", admin: "role-required", member: "role-required" },
    removeMember: { owner: "yes", admin: "yes", member: "role-required" },
    ban: { owner: "yes", admin: "yes", member: "role-required" },
    unban: { owner: "yes", admin: "yes", member: "role-required" },
    bans: { owner: "yes", admin: "yes", member: "role-required" },
    invites: { owner: "yes", admin: "yes", member: "role-required" },
    createInvite: { owner: "yes", admin: "yes", member: "role-required" },
  };
  const bodies: Partial<Record<Operation, object>> = {
    changeGroup: { name: "Renamed" },
    changeMember: { role: "admin" },
    createInvite: {},
  };
  const cells = Object.entries(table).flatMap(([operation, row]) =>
    Object.entries(row).map(([role, outcome]) => [operation, role, outcome] as [Operation, Role, string]),
  );

  it.each(cells)("%s by a member with the role %s: %s", async (operation, role, outcome) => {
    const conversation = await open();
    for (const who of ["ben", "cat"] as const) await join(who, conversation);
    if (role !== "member") await give("ann", conversation, "ben", role);
    await rig.call("changeGroup", {
      token: people.ann.token,
      params: { conversation },
      body: { visibility: "private" },
    });
    const called = {
      token: people.ben.token,
      params: { conversation, user_id: idOf("cat") },
      ...(bodies[operation] !== undefined && { body: bodies[operation] }),
    } as never;
    const code = await rig.call(operation, called).then(
      () => "yes",
      async () => (await rig.refusal(operation, called)).code,
    );
    expect(code).toBe(outcome);
  });

  it.each(cells.filter(([, role]) => role === "member"))("%s by a stranger is refused", async (operation) => {
    const conversation = await open();
    const called = {
      token: people.dan.token,
      params: { conversation, user_id: idOf("ann") },
      ...(bodies[operation] !== undefined && { body: bodies[operation] }),
    } as never;
    expect((await rig.refusal(operation, called)).code).toBe("not-a-member");
  });

  it("never go over their like: only an owner touches an admin, nobody an owner", async () => {
    const conversation = await open();
    for (const who of ["ben", "cat", "dan"] as const) await join(who, conversation);
    await give("ann", conversation, "ben", "admin");
    await give("ann", conversation, "cat", "admin");
    const remove = (who: Who, subject: Who) => ({
      token: people[who].token,
      params: { conversation, user_id: idOf(subject) },
    });
    expect((await rig.refusal("removeMember", remove("ben", "cat"))).code).toBe("role-required");
    expect((await rig.refusal("ban", remove("ben", "ann"))).code).toBe("role-required");
    await give("ann", conversation, "dan", "owner");
    expect((await rig.refusal("removeMember", remove("ann", "dan"))).code).toBe("role-required");
    await give("ann", conversation, "dan", "member");
    await rig.call("removeMember", remove("ann", "dan"));
    await rig.call("removeMember", remove("ann", "cat"));
  });

  it("are not given up by the last owner", async () => {
    const conversation = await open();
    const down = {
      token: people.ann.token,
      params: { conversation, user_id: idOf("ann") },
      body: { role: "member" } as const,
    };
    expect((await rig.refusal("changeMember", down)).code).toBe("role-required");
    await join("ben", conversation);
    await give("ann", conversation, "ben", "owner");
    await rig.call("changeMember", down);
    expect(await rolesOf(conversation)).toEqual({ ann: "member", ben: "owner" });
  });

  it("cost no entry when they do not change", async () => {
    const conversation = await open({ name: "Same" });
    await join("ben", conversation);
    await give("ann", conversation, "ben", "member");
    await rig.call("changeGroup", { token: people.ann.token, params: { conversation }, body: { name: "Same" } });
    expect(await kindsOf(conversation)).toHaveLength(3);
  });
});

describe("a removed member", () => {
  it("reads and writes nothing from then on, at once (G7)", async () => {
    const conversation = await open();
    await join("ben", conversation);
    const params = { conversation };
    const send = (who: Who, text: string) =>
      rig.call("sendMessage", { token: people[who].token, params, body: { message_id: text as never, text } });
    await send("ben", "m1");
    await send("ann", "m2");
    const before = await rig.call("entries", { token: people.ben.token, params });
    expect(before.entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);

    await rig.call("removeMember", { token: people.ann.token, params: { conversation, user_id: idOf("ben") } });
    await send("ann", "m3");
    const after = await rig.call("entries", { token: people.ben.token, params });
    expect(after.entries.at(-1)).toMatchObject({ seq: 6, kind: "member-removed", user: idOf("ben"), by: idOf("ann") });
    expect(after.head).toBe(6);
    const body = { message_id: "m4" as never, text: "x" };
    expect((await rig.refusal("sendMessage", { token: people.ben.token, params, body })).code).toBe("not-a-member");
    expect((await rig.call("conversations", { token: people.ben.token })).items).toEqual([]);
    // A public group may be joined again, and then everything may be read again.
    expect(await join("ben", conversation)).toMatchObject({ joined_seq: 8, first_seq: 1 });
  });

  it("is removed once, and somebody who never was in cannot be", async () => {
    const conversation = await open();
    await join("ben", conversation);
    const remove = { token: people.ann.token, params: { conversation, user_id: idOf("ben") } };
    await rig.call("removeMember", remove);
    await rig.call("removeMember", remove);
    expect((await kindsOf(conversation)).filter((kind) => kind === "member-removed")).toHaveLength(1);
    const stranger = { token: people.ann.token, params: { conversation, user_id: idOf("cat") } };
    expect((await rig.refusal("removeMember", stranger)).code).toBe("user-not-found");
  });
});

describe("a banned user", () => {
  it("cannot come back, in whatever way, until the ban is lifted", async () => {
    const conversation = await open();
    await join("ben", conversation);
    const { code } = await rig.call("createInvite", { token: people.ann.token, params: { conversation }, body: {} });
    const about = { token: people.ann.token, params: { conversation, user_id: idOf("ben") } };
    await rig.call("ban", about);
    await rig.call("ban", about);
    expect((await rig.refusal("joinGroup", { token: people.ben.token, params: { conversation } })).code).toBe("banned");
    expect((await rig.refusal("acceptInvite", { token: people.ben.token, body: { code } })).code).toBe("banned");
    const banned = await rig.call("bans", { token: people.ann.token, params: { conversation } });
    expect(banned.items).toEqual([people.ben.user]);
    await rig.call("unban", about);
    await rig.call("unban", about);
    expect((await rig.call("bans", { token: people.ann.token, params: { conversation } })).items).toEqual([]);
    await join("ben", conversation);
  });

  it("may be one who never was in; that he exists is looked at", async () => {
    const conversation = await open();
    const ban = (user_id: string) => ({ token: people.ann.token, params: { conversation, user_id: user_id as never } });
    await rig.call("ban", ban(idOf("cat")));
    expect((await rig.refusal("joinGroup", { token: people.cat.token, params: { conversation } })).code).toBe("banned");
    const entries = { token: people.cat.token, params: { conversation } };
    expect((await rig.refusal("entries", entries)).code).toBe("not-a-member");
    expect((await rig.refusal("ban", ban("u_nobody"))).code).toBe("user-not-found");
  });
});

describe("an invitation", () => {
  const invite = async (
    conversation: ConversationId,
    body: { expires_in_s?: number; uses_max?: number } = {},
    by: Who = "ann",
  ) => rig.call("createInvite", { token: people[by].token, params: { conversation }, body });
  const accept = (who: Who, code: string) => ({ token: people[who].token, body: { code } });
  let conversation: ConversationId;
  beforeEach(async () => {
    conversation = await open({ visibility: "private" });
  });

  it("lets its holder into a private group", async () => {
    const { code } = await invite(conversation);
    expect(await rig.call("acceptInvite", accept("ben", code))).toMatchObject({ conversation, role: "member" });
    expect((await entriesOf(conversation)).at(-1)).toMatchObject({ kind: "member-joined", via: "invite" });
  });

  it("is good for so many users, each counted once", async () => {
    const { code, invite: made } = await invite(conversation, { uses_max: 2 });
    expect(made.uses_left).toBe(2);
    await rig.call("acceptInvite", accept("ben", code));
    await rig.call("acceptInvite", accept("ben", code));
    await leave("ben", conversation);
    await rig.call("acceptInvite", accept("ben", code));
    await rig.call("acceptInvite", accept("ann", code));
    const { items } = await rig.call("invites", { token: people.ann.token, params: { conversation } });
    expect(items).toMatchObject([{ uses_left: 1 }]);
    await rig.call("acceptInvite", accept("cat", code));
    expect((await rig.refusal("acceptInvite", accept("dan", code))).code).toBe("invite-not-found");
  });

  it("is not used up by somebody who cannot come in", async () => {
    await rig.call("ban", { token: people.ann.token, params: { conversation, user_id: idOf("ben") } });
    const { code } = await invite(conversation, { uses_max: 1 });
    expect((await rig.refusal("acceptInvite", accept("ben", code))).code).toBe("banned");
    await rig.call("acceptInvite", accept("cat", code));
  });

  it("ends at its time", async () => {
    const { code } = await invite(conversation, { expires_in_s: 60 });
    await clock.advance(60_000);
    expect((await rig.refusal("acceptInvite", accept("ben", code))).code).toBe("invite-not-found");
  });

  it("ends when an admin or its maker revokes it", async () => {
    const publicGroup = await open();
    for (const who of ["ben", "cat"] as const) await join(who, publicGroup);
    const { code, invite: made } = await invite(publicGroup, {}, "ben");
    const revoke = (who: Who) => ({
      token: people[who].token,
      params: { conversation: publicGroup, invite_id: made.invite_id },
    });
    expect((await rig.refusal("revokeInvite", revoke("cat"))).code).toBe("role-required");
    await rig.call("revokeInvite", revoke("ben"));
    expect((await rig.refusal("acceptInvite", accept("dan", code))).code).toBe("invite-not-found");
    expect((await rig.refusal("revokeInvite", revoke("ann"))).code).toBe("invite-not-found");
  });

  it("is not kept in a form in which it can be used", async () => {
    const { code } = await invite(conversation);
    const stored = await rig.stores.invites.list(conversation, clock.nowMs());
    expect(JSON.stringify(stored)).not.toContain(code.split(".")[1]);
  });

  it("is not found by guessing", async () => {
    for (let guess = 0; guess < 10; guess += 1) {
      expect((await rig.refusal("acceptInvite", accept("ben", `guess${guess}`))).code).toBe("invite-not-found");
    }
    expect((await rig.refusal("acceptInvite", accept("ben", "guess"))).code).toBe("too-many-attempts");
    const { code } = await invite(conversation);
    await rig.call("acceptInvite", accept("cat", code));
  });

  it("exists a hundred times in a group at most", async () => {
    for (let count = 0; count < limits.invitesPerGroupMax; count += 1) await invite(conversation);
    const more = { token: people.ann.token, params: { conversation }, body: {} };
    expect((await rig.refusal("createInvite", more)).code).toBe("too-many-invites");
  });
});

describe("a direct conversation", () => {
  it("has no members, roles or invitations to manage", async () => {
    const conversation = directConversationId(idOf("ann"), idOf("ben"));
    const params = { conversation, user_id: idOf("ben") };
    const asked = { token: people.ann.token, params } as never;
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
