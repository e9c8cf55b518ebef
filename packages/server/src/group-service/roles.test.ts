import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Role } from "@tidings/protocol";
import { type GroupRig, openGroupRig, type Who } from "../testing/group-rig.ts";

let rig: GroupRig;
beforeEach(async () => {
  rig = await openGroupRig();
});
afterEach(() => rig.close());

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
    const conversation = await rig.open();
    for (const who of ["ben", "cat"] as const) await rig.join(who, conversation);
    if (role !== "member") await rig.give(role, { by: "ann", to: "ben", conversation });
    await rig.call("changeGroup", {
      token: rig.people.ann.token,
      params: { conversation },
      body: { visibility: "private" },
    });
    const called = {
      token: rig.people.ben.token,
      params: { conversation, user_id: rig.idOf("cat") },
      ...(bodies[operation] !== undefined && { body: bodies[operation] }),
    } as never;
    const code = await rig.call(operation, called).then(
      () => "yes",
      async () => (await rig.refusal(operation, called)).code,
    );
    expect(code).toBe(outcome);
  });

  it.each(cells.filter(([, role]) => role === "member"))("%s by a stranger is refused", async (operation) => {
    const conversation = await rig.open();
    const called = {
      token: rig.people.dan.token,
      params: { conversation, user_id: rig.idOf("ann") },
      ...(bodies[operation] !== undefined && { body: bodies[operation] }),
    } as never;
    expect((await rig.refusal(operation, called)).code).toBe("not-a-member");
  });

  it("never go over their like: only an owner touches an admin, nobody an owner", async () => {
    const conversation = await rig.open();
    for (const who of ["ben", "cat", "dan"] as const) await rig.join(who, conversation);
    await rig.give("admin", { by: "ann", to: "ben", conversation });
    await rig.give("admin", { by: "ann", to: "cat", conversation });
    const remove = (who: Who, subject: Who) => ({
      token: rig.tokenOf(who),
      params: { conversation, user_id: rig.idOf(subject) },
    });
    expect((await rig.refusal("removeMember", remove("ben", "cat"))).code).toBe("role-required");
    expect((await rig.refusal("ban", remove("ben", "ann"))).code).toBe("role-required");
    await rig.give("owner", { by: "ann", to: "dan", conversation });
    expect((await rig.refusal("removeMember", remove("ann", "dan"))).code).toBe("role-required");
    await rig.give("member", { by: "ann", to: "dan", conversation });
    await rig.call("removeMember", remove("ann", "dan"));
    await rig.call("removeMember", remove("ann", "cat"));
  });

  it("are not given up by the last owner", async () => {
    const conversation = await rig.open();
    const down = {
      token: rig.people.ann.token,
      params: { conversation, user_id: rig.idOf("ann") },
      body: { role: "member" } as const,
    };
    expect((await rig.refusal("changeMember", down)).code).toBe("role-required");
    await rig.join("ben", conversation);
    await rig.give("owner", { by: "ann", to: "ben", conversation });
    await rig.call("changeMember", down);
    expect(await rig.rolesOf(conversation)).toEqual({ ann: "member", ben: "owner" });
  });

  it("cost no entry when they do not change", async () => {
    const conversation = await rig.open({ name: "Same" });
    await rig.join("ben", conversation);
    await rig.give("member", { by: "ann", to: "ben", conversation });
    await rig.call("changeGroup", { token: rig.people.ann.token, params: { conversation }, body: { name: "Same" } });
    expect(await rig.kindsOf(conversation)).toHaveLength(3);
  });
});

describe("a removed member", () => {
  it("reads and writes nothing from then on, at once (G7)", async () => {
    const conversation = await rig.open();
    await rig.join("ben", conversation);
    const params = { conversation };
    const send = (who: Who, text: string) =>
      rig.call("sendMessage", { token: rig.tokenOf(who), params, body: { message_id: text as never, text } });
    await send("ben", "m1");
    await send("ann", "m2");
    const before = await rig.call("entries", { token: rig.people.ben.token, params });
    expect(before.entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);

    await rig.call("removeMember", { token: rig.people.ann.token, params: { conversation, user_id: rig.idOf("ben") } });
    await send("ann", "m3");
    const after = await rig.call("entries", { token: rig.people.ben.token, params });
    expect(after.entries.at(-1)).toMatchObject({
      seq: 6,
      kind: "member-removed",
      user: rig.idOf("ben"),
      by: rig.idOf("ann"),
    });
    expect(after.head).toBe(6);
    const body = { message_id: "m4" as never, text: "x" };
    expect((await rig.refusal("sendMessage", { token: rig.people.ben.token, params, body })).code).toBe("not-a-member");
    expect((await rig.call("conversations", { token: rig.people.ben.token })).items).toEqual([]);
    // A public group may be joined again, and then everything may be read again.
    expect(await rig.join("ben", conversation)).toMatchObject({ joined_seq: 8, first_seq: 1 });
  });

  it("is removed once, and somebody who never was in cannot be", async () => {
    const conversation = await rig.open();
    await rig.join("ben", conversation);
    const remove = { token: rig.people.ann.token, params: { conversation, user_id: rig.idOf("ben") } };
    await rig.call("removeMember", remove);
    await rig.call("removeMember", remove);
    expect((await rig.kindsOf(conversation)).filter((kind) => kind === "member-removed")).toHaveLength(1);
    const stranger = { token: rig.people.ann.token, params: { conversation, user_id: rig.idOf("cat") } };
    expect((await rig.refusal("removeMember", stranger)).code).toBe("user-not-found");
  });
});

describe("a banned user", () => {
  it("cannot come back, in whatever way, until the ban is lifted", async () => {
    const conversation = await rig.open();
    await rig.join("ben", conversation);
    const { code } = await rig.call("createInvite", {
      token: rig.people.ann.token,
      params: { conversation },
      body: {},
    });
    const about = { token: rig.people.ann.token, params: { conversation, user_id: rig.idOf("ben") } };
    await rig.call("ban", about);
    await rig.call("ban", about);
    expect((await rig.refusal("joinGroup", { token: rig.people.ben.token, params: { conversation } })).code).toBe(
      "banned",
    );
    expect((await rig.refusal("acceptInvite", { token: rig.people.ben.token, body: { code } })).code).toBe("banned");
    const banned = await rig.call("bans", { token: rig.people.ann.token, params: { conversation } });
    expect(banned.items).toEqual([rig.people.ben.user]);
    await rig.call("unban", about);
    await rig.call("unban", about);
    expect((await rig.call("bans", { token: rig.people.ann.token, params: { conversation } })).items).toEqual([]);
    await rig.join("ben", conversation);
  });

  it("may be one who never was in; that he exists is looked at", async () => {
    const conversation = await rig.open();
    const ban = (user_id: string) => ({
      token: rig.people.ann.token,
      params: { conversation, user_id: user_id as never },
    });
    await rig.call("ban", ban(rig.idOf("cat")));
    expect((await rig.refusal("joinGroup", { token: rig.people.cat.token, params: { conversation } })).code).toBe(
      "banned",
    );
    const entries = { token: rig.people.cat.token, params: { conversation } };
    expect((await rig.refusal("entries", entries)).code).toBe("not-a-member");
    expect((await rig.refusal("ban", ban("u_nobody"))).code).toBe("user-not-found");
  });
});
