import { asConversationId, asMessageId, asUserId, TidingsError, type UserId } from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";
import type { AppendRequest } from "@tidings/core";
import type { Target } from "../services.ts";
import { createSendService } from "./send-service.ts";

const [ann, ben] = ["u_ann", "u_ben"].map(asUserId) as [UserId, UserId];
const team = asConversationId("g_team");
let rig: ReceiveRig;

afterEach(async () => {
  await rig.close();
});

const say = (user: UserId, name: string) =>
  rig.sendService.send(user, { conversation: team }, { message_id: asMessageId(name), text: name });

describe("sending", () => {
  it("stores messages sent ahead in their order, though the first waits for a check (G4)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    rig.access.forget(team);
    const taken = await Promise.all(["a", "b", "c", "d"].map((name) => say(ann, name)));
    expect(taken.map(({ seq }) => seq)).toEqual([4, 5, 6, 7]);
  });

  it("gives who left the first answer to what he sent before, and refuses what is new (G2)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    const { seq } = await say(ben, "before");
    await rig.change(team, [{ kind: "member-left", user: ben }]);
    expect(await say(ben, "before")).toMatchObject({ seq });
    await expect(say(ben, "after")).rejects.toMatchObject({ code: "not-a-member" });
    expect((await rig.stores.messages.heads([team])).get(team)?.head).toBe(5);
  });

  it("refuses what waits behind a message whose check failed for a while (G4)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    let failures = 1;
    const access = {
      ...rig.access,
      cachedMember: () => undefined,
      accessAsMember: async (...about: Parameters<typeof rig.access.accessAsMember>) => {
        if (failures-- > 0) throw new TidingsError("unavailable");
        return await rig.access.accessAsMember(...about);
      },
    };
    const service = createSendService(rig.base, { access, users: { exists: async () => true } });
    const send = (name: string) =>
      service.send(ann, { conversation: team }, { message_id: asMessageId(name), text: name });
    const outcomes = await Promise.allSettled(["a", "b", "c"].map(send));
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(await Promise.all(["a", "b"].map(send))).toMatchObject([{ seq: 4 }, { seq: 5 }]);
  });

  it("refuses what waits for its check behind a message that could not be stored for a while (G4)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    await say(ann, "before");
    const store = Promise.withResolvers<never>();
    const check = Promise.withResolvers<boolean>();
    let failures = 1;
    const take = (request: AppendRequest) => (failures-- > 0 ? store.promise : rig.stores.messages.append(request));
    const service = createSendService(rig.base, { access: rig.access, users: { exists: () => check.promise }, take });
    const send = (name: string, target: Target = { conversation: team }) =>
      service.send(ann, target, { message_id: asMessageId(name), text: name });
    const outcomes = Promise.allSettled([send("a"), send("b", { to: ben }), send("c")]);
    store.reject(new TidingsError("unavailable"));
    await expect(store.promise).rejects.toMatchObject({ code: "unavailable" });
    check.resolve(true);
    expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(await Promise.all(["a", "c"].map((name) => send(name)))).toMatchObject([{ seq: 5 }, { seq: 6 }]);
  });
});
