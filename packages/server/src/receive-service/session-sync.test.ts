import type { Stores } from "@tidings/core";
import { asConversationId, asMessageId, asUserId, type History, limits, type UserId } from "@tidings/protocol";
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

/**
 * Ben and Cleo follow a group of Ann's. From `watch.isOn` on, what a sync reads is answered after `meanwhile`, which is told how many
 * times syncs have read.
 */
async function openGroup(
  meanwhile: (read: number) => Promise<void>,
  { history, ...options }: { history?: History } & Parameters<typeof openReceiveRig>[0] = {},
) {
  const watch = { isOn: false, reads: 0 };
  const slow = (stores: Stores): Stores => {
    const entries: Stores["messages"]["entries"] = async (range) => {
      const answer = await stores.messages.entries(range);
      if (watch.isOn && range.charactersMax === pieceCharacters) await meanwhile(++watch.reads);
      return answer;
    };
    return { ...stores, messages: Object.assign(Object.create(stores.messages), { entries }) };
  };
  rig = await openReceiveRig({
    ...options,
    flags: ["--messages-per-second=100000", "--messages-burst=100000"],
    stores: slow,
  });
  await rig.group(team, [ann, ben, cleo]);
  if (history !== undefined) await rig.change(team, [{ kind: "group-changed", by: ann, history }]);
  const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
  await Promise.all([bens.next("synced"), cleos.next("synced")]);
  return { bens, cleos, watch };
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe("a sync", () => {
  it("comes to its end though the conversation moves on during every read (G6)", async () => {
    let head = beginning;
    const { bens, cleos, watch } = await openGroup(async (read) => {
      // Each read is overtaken; one after the other would never come to the end.
      for (let index = 0; index < 3; index++) await say();
      head += 3;
      await bens.until(team, head);
      if (read === 20) watch.isOn = false;
    });
    watch.isOn = true;
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    expect(await cleos.next("synced")).toMatchObject({ request: 1, conversations: [{ status: "complete" }] });
    expect(watch.reads).toBe(1);
    await say();
    await cleos.until(team, head + 1);
    expect(cleos.seqs(team)).toEqual(upTo(head + 1));
  });

  it("gives nothing of what was said while he was away, though its machine jumped over his leaving (G7)", async () => {
    let losing = false;
    const gate = { reached: Promise.withResolvers<void>(), opened: Promise.withResolvers<void>() };
    const lose: Parameters<typeof openGroup>[1] = {
      history: "since-join",
      lose: ({ tell }) => losing && tell === "delivery",
    };
    const { bens, cleos, watch } = await openGroup(async () => {
      watch.isOn = false;
      gate.reached.resolve();
      await gate.opened.promise;
    }, lose);
    watch.isOn = true;
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
    let head = beginning;
    const { bens, cleos, watch } = await openGroup(async (read) => {
      if (read > 1) return;
      for (let index = 0; index < 40; index++) await say("x".repeat(16_000));
      head += 40;
      await bens.until(team, head);
    });
    watch.isOn = true;
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    expect(await cleos.next("synced")).toMatchObject({ request: 1, conversations: [{ status: "complete", head }] });
    expect(watch.reads).toBeGreaterThan(1);
    expect(cleos.seqs(team)).toEqual(upTo(head));
  });
});
