import { asConversationId, asMessageId, asUserId, type ConversationId, limits, type UserId } from "@tidings/protocol";
import type { Stores } from "@tidings/core";
import { afterEach, describe, expect, it } from "vitest";
import { authenticate, openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

/** A removal that comes while something else is under way. Ben stays and shows that entries arrive; Cleo is removed. */

const [ann, ben, cleo] = ["u_ann", "u_ben", "u_cleo"].map(asUserId) as [UserId, UserId, UserId];
const team = asConversationId("g_team");
const other = asConversationId("g_other");
let rig: ReceiveRig;

afterEach(async () => {
  await rig.close();
});

let said = 0;
async function say(count: number, conversation: ConversationId = team): Promise<void> {
  for (let index = 0; index < count; index++) {
    said += 1;
    const message = { message_id: asMessageId(`m${said}`), text: `text ${said}` };
    await rig.sendService.send(ann, { conversation }, message);
  }
}

const removeCleo = () => rig.change(team, [{ kind: "member-removed", user: cleo, by: ann, banned: false }]);

/** Stores that stop at one method until they are told to go on. */
function gated(at: { port: keyof Stores; method: string }) {
  const gate = { closed: false, reached: Promise.withResolvers<void>(), opened: Promise.withResolvers<void>() };
  const wrap = (stores: Stores): Stores => ({
    ...stores,
    [at.port]: new Proxy(stores[at.port], {
      get(target, name) {
        const method: unknown = Reflect.get(target, name);
        if (name !== at.method || typeof method !== "function") return method;
        return async (...args: unknown[]) => {
          const answer: unknown = await Reflect.apply(method, target, args);
          if (!gate.closed) return answer;
          gate.reached.resolve();
          await gate.opened.promise;
          return answer;
        };
      },
    }),
  });
  return { gate, wrap };
}

describe("a removed member gets nothing from then on (G7)", () => {
  it("when the entry that removed him was skipped, because too many came at once", async () => {
    let losing = false;
    const flags = ["--messages-per-second=100000", "--messages-burst=100000"];
    rig = await openReceiveRig({ flags, lose: ({ tell }) => losing && tell === "delivery" });
    await rig.group(team, [ann, ben, cleo]);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("welcome"), cleos.next("welcome")]);
    await say(1);
    await Promise.all([bens.until(team, 5), cleos.until(team, 5)]);

    losing = true;
    await removeCleo();
    await say(limits.syncEntriesMax + 10);
    losing = false;
    await say(1);
    const { heads } = await bens.next("heads");
    await say(2);
    bens.send({ type: "sync", request: 1, have: { [team]: heads[team] ?? 0 } });
    await bens.next("synced");
    await say(1);
    await bens.until(team, 520);
    expect(await cleos.next("ended")).toMatchObject({ conversation: team, last_seq: 6, reason: "removed" });
    expect(Math.max(...cleos.seqs(team))).toBeLessThanOrEqual(6);
  });

  it("when he is removed while he is being welcomed", async () => {
    const { gate, wrap } = gated({ port: "notifications", method: "newest" });
    rig = await openReceiveRig({ stores: wrap });
    await rig.group(team, [ann, ben, cleo]);
    const bens = await rig.connect(ben);
    await bens.next("welcome");
    gate.closed = true;
    const cleos = await rig.connect(cleo);
    await gate.reached.promise;
    await removeCleo();
    await bens.until(team, 5);
    gate.opened.resolve();
    expect((await cleos.next("welcome")).conversations).toEqual([]);
    await say(2);
    await bens.until(team, 7);
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    expect((await cleos.next("synced")).conversations).toEqual([]);
    expect((await cleos.next("synced")).conversations).toMatchObject([{ status: "ended", last_seq: 5 }]);
    expect(cleos.seqs(team)).toEqual([1, 2, 3, 4, 5]);
  });

  it("when he is removed while his token is looked at once more", async () => {
    const gate = { reached: Promise.withResolvers<void>(), opened: Promise.withResolvers<void>() };
    let shown = 0;
    rig = await openReceiveRig({
      async authenticate(token) {
        if (token === cleo) shown += 1;
        if (token === cleo && shown === 2) {
          gate.reached.resolve();
          await gate.opened.promise;
        }
        return authenticate(token);
      },
    });
    await rig.group(team, [ann, ben, cleo]);
    const bens = await rig.connect(ben);
    await bens.next("welcome");
    const cleos = await rig.connect(cleo);
    await gate.reached.promise;
    // Whatever is read beside the second look has been read when this has arrived.
    await say(1);
    await bens.until(team, 5);
    await removeCleo();
    await bens.until(team, 6);
    gate.opened.resolve();
    expect((await cleos.next("welcome")).conversations).toEqual([]);
    await say(2);
    await bens.until(team, 8);
    cleos.send({ type: "sync", request: 1, have: {} });
    expect(await cleos.next("synced")).toMatchObject({ conversations: [] });
    expect(cleos.seqs(team)).toEqual([]);
  });

  it("when somebody else's hello knows of later entries before his removal arrives", async () => {
    const { gate, wrap } = gated({ port: "messages", method: "entries" });
    let losing = false;
    rig = await openReceiveRig({ stores: wrap, lose: ({ tell }) => losing && tell === "delivery" });
    await rig.group(team, [ann, ben, cleo]);
    const cleos = await rig.connect(cleo);
    await cleos.next("synced");
    gate.closed = true;
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    await gate.reached.promise;
    gate.closed = false;
    losing = true;
    await removeCleo();
    await say(2);
    const bens = await rig.connect(ben);
    expect((await bens.next("welcome")).conversations).toMatchObject([{ head: 7 }]);
    gate.opened.resolve();
    expect(await cleos.next("ended")).toMatchObject({ conversation: team, last_seq: 5 });
    cleos.send({ type: "sync", request: 2, have: {} });
    while ((await cleos.next("synced")).request !== 2);
    expect(Math.max(...cleos.seqs(team))).toBe(5);
  });

  it("when he is removed while his sync reads another conversation", async () => {
    const { gate, wrap } = gated({ port: "messages", method: "entries" });
    rig = await openReceiveRig({ stores: wrap });
    await rig.group(other, [ann, cleo]);
    await rig.group(team, [ann, ben, cleo]);
    await say(1, other);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("welcome"), cleos.next("synced")]);
    gate.closed = true;
    cleos.send({ type: "sync", request: 1, have: { [other]: 0, [team]: 3 } });
    await gate.reached.promise;
    gate.closed = false;
    await removeCleo();
    await bens.until(team, 5);
    gate.opened.resolve();
    expect(await cleos.next("synced")).toMatchObject({
      request: 1,
      conversations: [{ status: "complete" }, { status: "ended", last_seq: 5 }],
    });
    await say(2);
    await bens.until(team, 7);
    cleos.send({ type: "sync", request: 2, have: { [other]: 0 } });
    await cleos.next("synced");
    expect(Math.max(...cleos.seqs(team))).toBeLessThanOrEqual(5);
  });
});
