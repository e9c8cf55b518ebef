import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ConversationId, limits, TidingsError } from "@tidings/protocol";
import { type GroupRig, openGroupRig, type Who } from "../testing/group-rig.ts";

let rig: GroupRig;
beforeEach(async () => {
  rig = await openGroupRig();
});
afterEach(() => rig.close());

describe("an invitation", () => {
  const invite = async (
    conversation: ConversationId,
    body: { expires_in_s?: number; uses_max?: number } = {},
    by: Who = "ann",
  ) => rig.call("createInvite", { token: rig.tokenOf(by), params: { conversation }, body });
  const accept = (who: Who, code: string) => ({ token: rig.tokenOf(who), body: { code } });
  let conversation: ConversationId;
  beforeEach(async () => {
    conversation = await rig.open({ visibility: "private" });
  });

  it("lets its holder into a private group", async () => {
    const { code } = await invite(conversation);
    expect(await rig.call("acceptInvite", accept("ben", code))).toMatchObject({ conversation, role: "member" });
    expect((await rig.entriesOf(conversation)).at(-1)).toMatchObject({ kind: "member-joined", via: "invite" });
  });

  it("is good for so many joinings; a member who comes again is not counted", async () => {
    const { code, invite: made } = await invite(conversation, { uses_max: 2 });
    expect(made.uses_left).toBe(2);
    await rig.call("acceptInvite", accept("ben", code));
    await rig.call("acceptInvite", accept("ben", code));
    await rig.call("acceptInvite", accept("ann", code));
    const { items } = await rig.call("invites", { token: rig.people.ann.token, params: { conversation } });
    expect(items).toMatchObject([{ uses_left: 1 }]);
    await rig.call("acceptInvite", accept("cat", code));
    expect((await rig.refusal("acceptInvite", accept("dan", code))).code).toBe("invite-not-found");
  });

  it("does not let who was removed in again by his earlier use", async () => {
    const single = await invite(conversation, { uses_max: 1 });
    const double = await invite(conversation, { uses_max: 2 });
    await rig.call("acceptInvite", accept("ben", single.code));
    await rig.call("acceptInvite", accept("cat", double.code));
    for (const who of ["ben", "cat"] as const) {
      const params = { conversation, user_id: rig.idOf(who) };
      await rig.call("removeMember", { token: rig.people.ann.token, params });
    }
    expect((await rig.refusal("acceptInvite", accept("ben", single.code))).code).toBe("invite-not-found");
    expect(await rig.call("acceptInvite", accept("cat", double.code))).toMatchObject({ conversation });
    await rig.leave("cat", conversation);
    expect((await rig.refusal("acceptInvite", accept("cat", double.code))).code).toBe("invite-not-found");
  });

  it("counts once for requests of one user that come at the same time", async () => {
    const { code } = await invite(conversation, { uses_max: 2 });
    await Promise.all(Array.from({ length: 5 }, () => rig.call("acceptInvite", accept("ben", code))));
    const { items } = await rig.call("invites", { token: rig.people.ann.token, params: { conversation } });
    expect(items).toMatchObject([{ uses_left: 1 }]);
  });

  it("opens again for who used it and was not let in because of a fault, and can be revoked until then", async () => {
    const { code } = await invite(conversation, { uses_max: 1 });
    const append = vi.spyOn(rig.stores.messages, "append").mockRejectedValueOnce(new TidingsError("unavailable"));
    expect((await rig.refusal("acceptInvite", accept("ben", code))).code).toBe("unavailable");
    append.mockRestore();
    const list = () => rig.call("invites", { token: rig.people.ann.token, params: { conversation } });
    expect((await list()).items).toMatchObject([{ uses_left: 0 }]);
    expect((await rig.refusal("acceptInvite", accept("cat", code))).code).toBe("invite-not-found");
    await rig.call("acceptInvite", accept("ben", code));
    expect((await list()).items).toEqual([]);
  });

  it("is not used up by somebody who cannot come in", async () => {
    await rig.call("ban", { token: rig.people.ann.token, params: { conversation, user_id: rig.idOf("ben") } });
    const { code } = await invite(conversation, { uses_max: 1 });
    expect((await rig.refusal("acceptInvite", accept("ben", code))).code).toBe("banned");
    await rig.call("acceptInvite", accept("cat", code));
  });

  it("ends at its time", async () => {
    const { code } = await invite(conversation, { expires_in_s: 60 });
    await rig.clock.advance(60_000);
    expect((await rig.refusal("acceptInvite", accept("ben", code))).code).toBe("invite-not-found");
  });

  it("ends when an admin or its maker revokes it", async () => {
    const publicGroup = await rig.open();
    for (const who of ["ben", "cat"] as const) await rig.join(who, publicGroup);
    const { code, invite: made } = await invite(publicGroup, {}, "ben");
    const revoke = (who: Who) => ({
      token: rig.tokenOf(who),
      params: { conversation: publicGroup, invite_id: made.invite_id },
    });
    expect((await rig.refusal("revokeInvite", revoke("cat"))).code).toBe("role-required");
    await rig.call("revokeInvite", revoke("ben"));
    expect((await rig.refusal("acceptInvite", accept("dan", code))).code).toBe("invite-not-found");
    expect((await rig.refusal("revokeInvite", revoke("ann"))).code).toBe("invite-not-found");
  });

  it("is not kept in a form in which it can be used", async () => {
    const { code } = await invite(conversation);
    const stored = await rig.stores.invites.list(conversation, rig.clock.nowMs());
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
    const more = { token: rig.people.ann.token, params: { conversation }, body: {} };
    expect((await rig.refusal("createInvite", more)).code).toBe("too-many-invites");
  });
});
