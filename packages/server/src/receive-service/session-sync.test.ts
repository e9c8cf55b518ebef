import type { Stores } from "@tidings/core";
import { asConversationId, asMessageId, asUserId, limits, type UserId } from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { joined, openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

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

  it("gives nothing of what was said while he was away, though its machine jumped over his leaving (G7)", async () => {
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
    await rig.change(team, [{ kind: "group-changed", by: ann, history: "since-join" }]);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("synced"), cleos.next("synced")]);
    moving = true;
    cleos.send({ type: "sync", request: 1, have: { [team]: beginning } });
    await gate.reached.promise;
    losing = true;
    for (let index = 0; index < 100; index++) await say();
    await rig.change(team, [{ kind: "member-left", user: cleo }]);
    for (let index = 0; index < limits.syncEntriesMax; index++) await say();
    await rig.change(team, [joined(cleo)]);
    losing = false;
    await say();
    // That it tells a head to those who follow shows that it jumped.
    const { heads } = await bens.next("heads");
    const back = beginning + 1 + 100 + 1 + limits.syncEntriesMax + 1;
    expect(heads[team]).toBeGreaterThan(back - 10);
    gate.opened.resolve();
    // What it was reading it may give.
    const { conversations } = await cleos.next("synced");
    expect(conversations).toMatchObject([{ status: "truncated" }]);
    expect(cleos.seqs(team)).toEqual([beginning + 1]);
    cleos.send({ type: "sync", request: 2, have: { [team]: beginning + 1 } });
    expect(await cleos.next("synced")).toMatchObject({ request: 2, conversations: [{ first_seq: back }] });
    await cleos.until(team, back + 1);
    expect(cleos.seqs(team)).toEqual([beginning + 1, back, back + 1]);
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
