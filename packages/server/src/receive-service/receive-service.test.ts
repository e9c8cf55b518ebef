import {
  asConversationId,
  asMessageId,
  asSeq,
  asUserId,
  directConversationId,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import type { MachineMessage } from "@tidings/core";
import { afterEach, describe, expect, it } from "vitest";
import { joined, openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

const [ann, ben, cleo] = ["u_ann", "u_ben", "u_cleo"].map(asUserId) as [UserId, UserId, UserId];
const team = asConversationId("g_team");
let rig: ReceiveRig;

afterEach(async () => {
  await rig.close();
});

async function say(count: number, from = 1): Promise<void> {
  for (let index = from; index < from + count; index++) {
    await rig.sendService.send(
      ann,
      { conversation: team },
      { message_id: asMessageId(`m${index}`), text: `text ${index}` },
    );
  }
}

describe("receiving over a WebSocket", () => {
  it("welcomes with every conversation, and pushes what comes, in order and without a hole (G3)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    const socket = await rig.connect(ben);
    const welcome = await socket.next("welcome");
    expect(welcome.conversations).toMatchObject([
      { conversation: team, head: 3, first_seq: 1, unread: 0, name: "Team" },
    ]);
    await say(20);
    await socket.until(team, 23);
    expect(socket.seqs(team)).toEqual(Array.from({ length: 20 }, (_, index) => index + 4));
  });

  it("resumes from any cursor and says that it is complete (G6)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    await say(10);
    const socket = await rig.connect(ben, { have: { [team]: 5 } });
    const synced = await socket.next("synced");
    expect(socket.seqs(team)).toEqual([6, 7, 8, 9, 10, 11, 12, 13]);
    expect(synced.conversations).toMatchObject([{ conversation: team, status: "complete", head: 13 }]);
  });

  it("says truncated where one sync has no room for all, and the next sync goes on (G6)", async () => {
    rig = await openReceiveRig({ flags: ["--messages-per-second=100000", "--messages-burst=100000"] });
    await rig.group(team, [ann, ben]);
    await Promise.all(Array.from({ length: 700 }, (_, index) => say(1, index)));
    const socket = await rig.connect(ben, { have: { [team]: 0 } });
    expect((await socket.next("synced")).conversations).toMatchObject([{ status: "truncated", head: 703 }]);
    expect(socket.seqs(team)).toHaveLength(500);
    socket.send({ type: "sync", request: 7, have: { [team]: 500 } });
    expect(await socket.next("synced")).toMatchObject({ request: 7, conversations: [{ status: "complete" }] });
    expect(socket.seqs(team)).toEqual(Array.from({ length: 703 }, (_, index) => index + 1));
  });

  it("finds what a lossy push missed, by itself (G5)", async () => {
    let lost = 0;
    const lose = (message: MachineMessage): boolean => message.tell === "delivery" && lost++ % 3 !== 2;
    rig = await openReceiveRig({ lose });
    await rig.group(team, [ann, ben]);
    const socket = await rig.connect(ben, { have: { [team]: 3 } });
    await socket.next("synced");
    for (let index = 0; index < 30; index++) await say(1, index);
    await socket.until(team, 33);
    expect(lost).toBeGreaterThan(0);
    expect(rig.receive.gauges.repairs()).toBeGreaterThan(0);
    expect(socket.seqs(team)).toEqual(Array.from({ length: 30 }, (_, index) => index + 4));
  });

  it("brings a group whose news was lost, or could not be read, by itself (G5)", async () => {
    let losing = false;
    let failing = 0;
    rig = await openReceiveRig({
      lose: ({ tell }) => losing && tell === "delivery",
      stores: (stores) => ({
        ...stores,
        markers: new Proxy(stores.markers, {
          get(target, name) {
            if (name === "markers" && failing > 0) {
              return async () => {
                failing -= 1;
                throw new TidingsError("unavailable");
              };
            }
            const method: unknown = Reflect.get(target, name);
            return typeof method === "function" ? method.bind(target) : method;
          },
        }),
      }),
    });
    await rig.group(team, [ann]);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("synced"), cleos.next("synced")]);
    failing = 2;
    await rig.change(team, [joined(ben)]);
    expect((await bens.next("joined")).state).toMatchObject({ conversation: team, joined_seq: 3 });
    losing = true;
    await rig.change(team, [joined(cleo)]);
    expect((await cleos.next("joined")).state).toMatchObject({ conversation: team, joined_seq: 4 });
    losing = false;
    await say(1);
    await Promise.all([bens.until(team, 5), cleos.until(team, 5)]);
    expect(bens.seqs(team)).toEqual([3, 4, 5]);
    expect(cleos.seqs(team)).toEqual([4, 5]);
  });

  it("cuts a removed member off at the entry that removed him (G7)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben, cleo]);
    const [bens, cleos] = [await rig.connect(ben), await rig.connect(cleo)];
    await Promise.all([bens.next("welcome"), cleos.next("welcome")]);
    await say(1, 1);
    await Promise.all([bens.until(team, 5), cleos.until(team, 5)]);
    await rig.change(team, [{ kind: "member-removed", user: cleo, by: ann, banned: false }]);
    await say(3, 2);
    expect(await cleos.next("ended")).toMatchObject({ conversation: team, last_seq: 6, reason: "removed" });
    await bens.until(team, 9);
    cleos.send({ type: "sync", request: 1, have: { [team]: 0 } });
    expect((await cleos.next("synced")).conversations).toMatchObject([{ status: "ended", last_seq: 6, head: 6 }]);
    expect(Math.max(...cleos.seqs(team))).toBe(6);
  });

  it("brings a group to the sessions of who joins it, from the entry with which he joined", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann]);
    await say(2);
    const socket = await rig.connect(ben);
    expect((await socket.next("welcome")).conversations).toEqual([]);
    await rig.change(team, [joined(ben)]);
    expect((await socket.next("joined")).state).toMatchObject({ conversation: team, joined_seq: 5, first_seq: 1 });
    await say(1, 3);
    await socket.until(team, 6);
    expect(socket.seqs(team)).toEqual([5, 6]);
  });

  it("makes a direct conversation by the first message, for both users' sessions", async () => {
    rig = await openReceiveRig();
    for (const user of [ann, ben]) {
      await rig.stores.accounts.create({ user, name: user, displayName: user, createdAtMs: 0 });
    }
    const [anns, bens] = [await rig.connect(ann), await rig.connect(ben, { notified: 0 })];
    await Promise.all([anns.next("welcome"), bens.next("welcome")]);
    anns.send({ type: "send", to: ben, message_id: "first", text: "Hello." });
    const direct = directConversationId(ann, ben);
    expect(await anns.next("ack")).toMatchObject({ message_id: "first", conversation: direct, seq: 1 });
    await Promise.all([anns.until(direct, 1), bens.until(direct, 1)]);
    const { notifications } = bens.frames.find((frame) => frame.type === "notify") ?? (await bens.next("notify"));
    expect(notifications).toMatchObject([{ n: 1, reason: "direct", conversation: direct, seq: 1, sender: ann }]);
  });

  it("acknowledges a repeated message with its first position (G2)", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    const socket = await rig.connect(ann);
    await socket.next("welcome");
    for (let time = 0; time < 3; time++) {
      socket.send({ type: "send", conversation: team, message_id: "once", text: "Once." });
      expect(await socket.next("ack")).toMatchObject({ message_id: "once", seq: 4 });
    }
  });

  it("keeps the order of messages sent ahead when one of them is refused (G4)", async () => {
    rig = await openReceiveRig({ flags: ["--messages-per-second=1", "--messages-burst=2"] });
    await rig.group(team, [ann, ben]);
    const socket = await rig.connect(ann);
    await socket.next("welcome");
    const send = (turn: number): void =>
      socket.send({ type: "send", conversation: team, message_id: `t${turn}`, text: `${turn}`, turn });
    for (const turn of [1, 2, 3, 4, 5]) send(turn);
    expect(await socket.next("error")).toMatchObject({ code: "rate-limited", turn: 3, retryable: true });
    expect(await socket.next("error")).toMatchObject({ code: "out-of-turn", turn: 4 });
    expect(await socket.next("error")).toMatchObject({ code: "out-of-turn", turn: 5 });
  });

  it("gives a receiver that stops reading heads instead of entries, and all of it when it reads on (G8)", async () => {
    const flags = ["--messages-per-second=100000", "--messages-burst=100000", "--slow-session-bytes=16384"];
    rig = await openReceiveRig({ flags });
    await rig.group(team, [ann, ben]);
    const socket = await rig.connect(ben, { have: { [team]: 3 } });
    await socket.next("synced");
    socket.webSocket.pause();
    const text = "x".repeat(8_000);
    const send = (index: number) =>
      rig.sendService.send(ann, { conversation: team }, { message_id: asMessageId(`s${index}`), text });
    let sent = 0;
    while (rig.receive.gauges.downgrades() === 0) {
      await Promise.all(Array.from({ length: 100 }, () => send(sent++)));
      expect(sent).toBeLessThan(20_000);
      // The memory engine answers without leaving the turn of the event loop; the sockets need theirs.
      await rig.base.clock.sleep(0);
    }
    await Promise.all(Array.from({ length: 100 }, () => send(sent++)));
    socket.webSocket.resume();
    let cursor = 3;
    for (let request = 0; cursor < sent + 3; request++) {
      if (request === 0) expect(Object.keys((await socket.next("heads")).heads)).toEqual([team]);
      cursor = Math.max(3, ...socket.seqs(team));
      socket.send({ type: "sync", request, have: { [team]: cursor } });
      while ((await socket.next("synced")).request !== request);
      cursor = Math.max(...socket.seqs(team));
    }
    expect(socket.held(team, 3)).toEqual(Array.from({ length: sent }, (_, index) => index + 4));
  });

  it("keeps nothing but the newest notification and markers for a receiver that stops reading (G8)", async () => {
    const flags = ["--messages-per-second=100000", "--messages-burst=100000", "--slow-session-bytes=16384"];
    rig = await openReceiveRig({ flags });
    await rig.group(team, [ann, ben]);
    const socket = await rig.connect(ben, { have: { [team]: 3 } });
    await socket.next("synced");
    socket.webSocket.pause();
    let sent = 0;
    const send = (more: { text: string; mentions?: UserId[] }) =>
      rig.sendService.send(ann, { conversation: team }, { message_id: asMessageId(`s${sent++}`), ...more });
    while (rig.receive.gauges.downgrades() === 0) {
      await Promise.all(Array.from({ length: 100 }, () => send({ text: "x".repeat(8_000) })));
      expect(sent).toBeLessThan(20_000);
      await rig.base.clock.sleep(0);
    }
    for (let mention = 0; mention < 20; mention++) await send({ text: "ben", mentions: [ben] });
    while ((await rig.stores.notifications.newest([ben]))[0] !== 20) await rig.base.clock.sleep(0);
    for (let seq = 4; seq <= 40; seq++) await rig.markers.markRead(ben, team, asSeq(seq));
    socket.webSocket.resume();
    await socket.next("heads");
    for (const type of ["notify", "marked"]) {
      while (!socket.frames.some((frame) => frame.type === type)) {
        socket.send({ type: "sync", request: 1, have: {} });
        await socket.next("synced");
      }
    }
    const told = socket.frames.filter(({ type }) => type === "notify" || type === "marked");
    expect(told).toMatchObject([
      { type: "notify", notifications: [{ n: 20 }] },
      { type: "marked", conversation: team, read_seq: 40 },
    ]);
  });

  it("tells all sessions of the user that the read marker moved, and none when it did not", async () => {
    rig = await openReceiveRig();
    await rig.group(team, [ann, ben]);
    await say(3);
    const [one, other] = [await rig.connect(ben), await rig.connect(ben)];
    expect((await one.next("welcome")).conversations).toMatchObject([{ unread: 3 }]);
    await other.next("welcome");
    one.send({ type: "read", conversation: team, seq: 4 });
    const marked = { conversation: team, read_seq: 4 };
    expect([await one.next("marked"), await other.next("marked")]).toMatchObject([marked, marked]);
    for (const seq of [4, 2, 5]) one.send({ type: "read", conversation: team, seq });
    for (const session of [one, other]) expect(await session.next("marked")).toMatchObject({ ...marked, read_seq: 5 });
    expect(await rig.access.state(ben, team)).toMatchObject({ read_seq: 5, unread: 1 });
  });

  it("tells everybody when to come back, and closes, when the machine drains (G11)", async () => {
    rig = await openReceiveRig({ flags: ["--drain-ms=10"] });
    await rig.group(team, [ann, ben]);
    const socket = await rig.connect(ben);
    await socket.next("welcome");
    const drained = rig.receive.drain();
    expect((await socket.next("goodbye")).reconnect_after_ms).toBeLessThanOrEqual(10);
    expect((await socket.closed).code).toBe(1001);
    await drained;
  });
});
