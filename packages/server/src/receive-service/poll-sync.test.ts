import {
  asConversationId,
  asMessageId,
  asUserId,
  type HttpAnswer,
  type HttpBody,
  type UserId,
} from "@tidings/protocol";
import type { MachineMessage } from "@tidings/core";
import { afterEach, describe, expect, it } from "vitest";
import type { Caller } from "../services.ts";
import { joined, openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

const [ann, ben] = ["u_ann", "u_ben"].map(asUserId) as [UserId, UserId];
const team = asConversationId("g_team");
let rig: ReceiveRig;

afterEach(async () => {
  await rig.close();
});

const callerOf = (user: UserId): Caller => ({ user: { user_id: user, name: user, display_name: user }, token: user });

async function sync(user: UserId, request: HttpBody<"sync">, signal = new AbortController().signal) {
  const { json } = await rig.receive.sync(callerOf(user), request, signal);
  return JSON.parse(json) as HttpAnswer<"sync">;
}

async function say(name: string, mentions: UserId[] = []): Promise<void> {
  await rig.sendService.send(ann, { conversation: team }, { message_id: asMessageId(name), text: name, mentions });
}

const have = (seq: number): HttpBody<"sync">["have"] => ({ [team]: seq }) as HttpBody<"sync">["have"];

describe("short polling", () => {
  it("answers what is newer, and nothing when nothing is", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    await say("one");
    const answer = await sync(ben, { have: have(2) });
    expect(answer).toMatchObject({
      status: "complete",
      conversations: [{ conversation: team, status: "complete", head: 4, from_seq: 3 }],
    });
    expect(answer.conversations[0]?.entries.map(({ seq }) => seq)).toEqual([3, 4]);
    expect((await sync(ben, { have: have(4) })).conversations).toEqual([]);
  });

  it("names conversations that the client did not, with their state and without entries", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    const { conversations } = await sync(ben, { have: {} });
    expect(conversations).toMatchObject([
      { status: "new", head: 3, entries: [], state: { joined_seq: 3, name: "Team" } },
    ]);
  });

  it("leaves out what the user may not know of, and ends what he was removed from (G7)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    const stranger = asUserId("u_stranger");
    expect((await sync(stranger, { have: have(0) })).conversations).toEqual([]);
    await rig.change(team, [{ kind: "member-removed", user: ben, by: ann, banned: true }]);
    await say("secret");
    const [ended] = (await sync(ben, { have: have(3) })).conversations;
    expect(ended).toMatchObject({ status: "ended", last_seq: 4, head: 4 });
    expect(ended?.entries.map(({ seq }) => seq)).toEqual([4]);
  });

  it("gives the notifications after the one that the client holds (G9)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    await say("hey", [ben]);
    let answer = await sync(ben, { have: have(4), notified: 0, wait_ms: 5_000 });
    while (answer.notifications.length === 0) answer = await sync(ben, { have: have(4), notified: 0, wait_ms: 5_000 });
    expect(answer).toMatchObject({
      notified: 1,
      notifications: [{ n: 1, reason: "mention", conversation: team, seq: 4, sender: ann }],
    });
  });
});

describe("long polling", () => {
  it("waits for an entry and answers with it", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    const waiting = sync(ben, { have: have(3), wait_ms: 20_000 });
    await untilWaiting(1);
    await say("news");
    expect((await waiting).conversations).toMatchObject([{ status: "complete", head: 4, from_seq: 4 }]);
    expect(rig.receive.gauges.waitingPolls()).toBe(0);
  });

  it("hears of a group that the user comes into", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann]);
    const waiting = sync(ben, { have: {}, wait_ms: 20_000 });
    await untilWaiting(1);
    await rig.change(team, [joined(ben)]);
    expect((await waiting).conversations).toMatchObject([
      { conversation: team, status: "new", state: { joined_seq: 3 } },
    ]);
  });

  it("answers with nothing when its time is over, and at once when the client goes or the machine drains", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    expect((await sync(ben, { have: have(3), wait_ms: 20 })).conversations).toEqual([]);
    const client = new AbortController();
    const waiting = sync(ben, { have: have(3), wait_ms: 20_000 }, client.signal);
    await untilWaiting(1);
    client.abort();
    expect((await waiting).conversations).toEqual([]);
    const other = sync(ben, { have: have(3), wait_ms: 20_000 });
    await untilWaiting(1);
    await rig.receive.drain();
    expect((await other).conversations).toEqual([]);
  });

  it("finds what a lossy push missed by the machine's own look at the heads (G5)", async () => {
    rig = await openReceiveRig({ lose: (message: MachineMessage) => message.tell === "delivery" });
    await rig.group(team, [ann, ben]);
    const waiting = sync(ben, { have: have(3), wait_ms: 20_000 });
    await untilWaiting(1);
    await say("unheard");
    expect((await waiting).conversations).toMatchObject([{ head: 4, from_seq: 4 }]);
  });
});

async function untilWaiting(count: number): Promise<void> {
  while (rig.receive.gauges.waitingPolls() < count) await rig.base.clock.sleep(0);
  // The look before the wait is a handful of reads of the memory engine.
  for (let turn = 0; turn < 20; turn++) await rig.base.clock.sleep(0);
}
