import { createManualClock } from "@tidings/core";
import { asConversationId, asSeq, asSessionId, asUserId } from "@tidings/protocol";
import { expect, it } from "vitest";
import { Heartbeats } from "./heartbeats.ts";
import { LocalConversation } from "./local-conversation.ts";
import { Session } from "./session.ts";
import { UserSocketCache } from "./user-socket-cache.ts";

const room = asConversationId("g_room");
const heartbeatMs = 10_000;

/** A session that follows a conversation, and the heads that its heartbeats name. */
function openHeartbeats() {
  const clock = createManualClock();
  const cache = new UserSocketCache();
  const told: unknown[] = [];
  const session = new Session({
    id: asSessionId("s_1"),
    caller: { user: { user_id: asUserId("u_ann"), name: "ann", display_name: "Ann" }, token: "t" },
    nowMs: clock.monotonicMs(),
    connection: { end: () => undefined },
    socket: {
      write(frame) {
        const text = /\{.*\}/.exec(Buffer.from(frame).toString("latin1"))?.[0];
        if (text !== undefined) told.push((JSON.parse(text) as { heads: unknown }).heads);
        return true;
      },
      writable: true,
      cork: () => undefined,
      uncork: () => undefined,
      writableLength: 0,
      writableNeedDrain: false,
    },
  });
  cache.addSession(session);
  const conversation = new LocalConversation(room, asSeq(0));
  const subscription = { session, conversation, sentSeq: asSeq(0), beganSeq: asSeq(0), said: true, index: 0 };
  conversation.add(subscription);
  session.subscriptions.push(subscription);
  const heartbeats = new Heartbeats({ clock, cache, heartbeatMs });
  heartbeats.start();
  return {
    subscription,
    told,
    arrive(seq: number): void {
      conversation.take([{ seq: asSeq(seq), kind: "message", json: "{}" }]);
      conversation.movedAtMs = clock.monotonicMs();
    },
    /** As a tick does. */
    write(): void {
      subscription.sentSeq = conversation.arrivedSeq;
      conversation.takePending();
    },
    async beat(): Promise<void> {
      await clock.advance(heartbeatMs);
      session.awaitsPong = false;
    },
  };
}

it("heartbeats name the conversations that moved, up to what was written to the session", async () => {
  const { told, arrive, write, beat } = openHeartbeats();
  arrive(1);
  write();
  arrive(2);
  arrive(3);
  await beat();
  // What waits for the next tick is no reason to sync.
  expect(told).toEqual([{ [room]: 1 }]);
  write();
  arrive(4);
  write();
  await beat();
  await beat();
  expect(told).toEqual([{ [room]: 1 }, { [room]: 4 }, {}]);
});

it("heartbeats name all that arrived to a session that lacks some of what was written to others (G5)", async () => {
  const { subscription, told, arrive, write, beat } = openHeartbeats();
  arrive(1);
  write();
  arrive(2);
  write();
  subscription.sentSeq = asSeq(1);
  arrive(3);
  await beat();
  await beat();
  expect(told).toEqual([{ [room]: 3 }, { [room]: 3 }]);
});
