import type { Stores } from "@tidings/core";
import { asConversationId, asMessageId, asUserId, limits, type UserId } from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

const [ann, ben, cleo] = ["u_ann", "u_ben", "u_cleo"].map(asUserId) as [UserId, UserId, UserId];
const team = asConversationId("g_team");
/** What makes the group, and three who come. */
const beginning = 4;
let rig: ReceiveRig;

afterEach(async () => {
  await rig.close();
});

let said = 0;
async function say(text = "text"): Promise<void> {
  said += 1;
  await rig.sendService.send(ann, { conversation: team }, { message_id: asMessageId(`m${said}`), text });
}

/** What only syncs ask for: workers, and a machine that lacks something, take larger pieces. */
const pieceCharacters = 64 * 1024;

/** What a sync reads is answered after `meanwhile`. */
const slow =
  (meanwhile: () => Promise<void>) =>
  (stores: Stores): Stores => {
    const entries: Stores["messages"]["entries"] = async (range) => {
      const answer = await stores.messages.entries(range);
      if (range.charactersMax === pieceCharacters) await meanwhile();
      return answer;
    };
    return { ...stores, messages: Object.assign(Object.create(stores.messages), { entries }) };
  };

describe("a sync", () => {
  it("comes to its end though the conversation moves on during every read (G6)", async () => {
    let moving = false;
    let [reads, head] = [0, beginning];
    const stores = slow(async () => {
      if (!moving) return;
      reads += 1;
      // Each read is overtaken; one after the other would never come to the end.
      for (let index = 0; index < 3; index++) await say();
      head += 3;
      await bens.until(team, head);
      if (reads === 20) moving = false;
    });
    rig = await openReceiveRig({ stores });
    await rig.group(team, [ann, ben, cleo]);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("synced"), cleos.next("synced")]);
    moving = true;
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    expect(await cleos.next("synced")).toMatchObject({ request: 1, conversations: [{ status: "complete" }] });
    moving = false;
    expect(reads).toBe(1);
    await say();
    await cleos.until(team, head + 1);
    expect(cleos.seqs(team)).toEqual(Array.from({ length: head + 1 }, (_, index) => index + 1));
  });

  it("leaves what its machine jumped over meanwhile to the next one, which asks for the right again (G7)", async () => {
    let [losing, moving] = [false, false];
    const gate = { reached: Promise.withResolvers<void>(), opened: Promise.withResolvers<void>() };
    const stores = slow(async () => {
      if (!moving) return;
      moving = false;
      gate.reached.resolve();
      await gate.opened.promise;
    });
    const flags = ["--messages-per-second=100000", "--messages-burst=100000"];
    rig = await openReceiveRig({ stores, flags, lose: ({ tell }) => losing && tell === "delivery" });
    await rig.group(team, [ann, ben, cleo]);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("synced"), cleos.next("synced")]);
    moving = true;
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    await gate.reached.promise;
    losing = true;
    for (let index = 0; index < limits.syncEntriesMax + 10; index++) await say();
    losing = false;
    await say();
    // That it says so to those who follow shows that it jumped.
    expect((await bens.next("heads")).heads[team]).toBeGreaterThan(limits.syncEntriesMax);
    gate.opened.resolve();
    expect(await cleos.next("synced")).toMatchObject({ request: 1, conversations: [{ status: "truncated" }] });
    expect(cleos.seqs(team)).toEqual([]);
  });

  it("reads again what came when more arrived meanwhile than is kept at hand", async () => {
    let moving = false;
    let [reads, head] = [0, beginning];
    const stores = slow(async () => {
      if (!moving) return;
      reads += 1;
      if (reads > 1) return;
      for (let index = 0; index < 40; index++) await say("x".repeat(16_000));
      head += 40;
      await bens.until(team, head);
    });
    rig = await openReceiveRig({ stores, flags: ["--messages-burst=1000"] });
    await rig.group(team, [ann, ben, cleo]);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("synced"), cleos.next("synced")]);
    moving = true;
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    expect(await cleos.next("synced")).toMatchObject({ request: 1, conversations: [{ status: "complete", head }] });
    expect(reads).toBeGreaterThan(1);
    expect(cleos.seqs(team)).toEqual(Array.from({ length: head }, (_, index) => index + 1));
  });
});
