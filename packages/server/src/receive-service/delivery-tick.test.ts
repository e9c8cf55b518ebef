import { createManualClock } from "@tidings/core";
import { asConversationId, asSeq, asSessionId, asUserId } from "@tidings/protocol";
import { expect, it } from "vitest";
import { ReceiveTrail } from "../explain/receive-trail.ts";
import { DeliveryTick } from "./delivery-tick.ts";
import { LocalConversation } from "./local-conversation.ts";
import { Session } from "./session.ts";

/** A conversation with so many sockets, of which the first tells when it was written to, and takes `writingMs` for it. */
function openTick(sockets: number, { writingMs } = { writingMs: 0 }) {
  const manual = createManualClock();
  let writtenMs = 0;
  const clock = { ...manual, monotonicMs: () => manual.monotonicMs() + writtenMs };
  const tick = new DeliveryTick({ clock, unsentBytesMax: 1_000, trail: new ReceiveTrail(clock) });
  const conversation = new LocalConversation(asConversationId("g_room"), asSeq(0));
  const writesAtMs: number[] = [];
  for (let index = 0; index < sockets; index += 1) {
    const session = new Session({
      id: asSessionId(`s_${index}`),
      caller: { user: { user_id: asUserId("u_ann"), name: "ann", display_name: "Ann" }, token: "t" },
      nowMs: 0,
      connection: { end: () => undefined },
      socket: {
        write() {
          if (index > 0) return true;
          writesAtMs.push(clock.monotonicMs());
          writtenMs += writingMs;
          return true;
        },
        writable: true,
        cork: () => undefined,
        uncork: () => undefined,
        writableLength: 0,
        writableNeedDrain: false,
      },
    });
    conversation.add({ session, conversation, sentSeq: asSeq(0), beganSeq: asSeq(0), said: true, index });
  }
  return {
    clock,
    writesAtMs,
    /** So many entries arrive at once. */
    arrive(count: number): void {
      const from = conversation.arrivedSeq;
      conversation.take(
        Array.from({ length: count }, (_, index) => ({
          seq: asSeq(from + 1 + index),
          kind: "message" as const,
          json: "{}",
        })),
      );
      tick.mark(conversation);
    },
  };
}

it("writes at once what comes one by one, to however many sockets", async () => {
  const { clock, writesAtMs, arrive } = openTick(1_000);
  for (let round = 0; round < 50; round += 1) {
    arrive(1);
    await clock.advance(10);
  }
  expect(writesAtMs).toEqual(Array.from({ length: 50 }, (_, round) => round * 10));
});

it("writes at once what comes in small batches to few sockets", async () => {
  const { clock, writesAtMs, arrive } = openTick(10);
  for (let round = 0; round < 50; round += 1) {
    arrive(3);
    await clock.advance(10);
  }
  expect(writesAtMs).toHaveLength(50);
});

it.each([
  { writingMs: 2, nextMs: 10 },
  { writingMs: 10, nextMs: 50 },
  { writingMs: 20, nextMs: 50 },
  { writingMs: 33, nextMs: 50 },
  { writingMs: 60, nextMs: 90 },
  { writingMs: 200, nextMs: 250 },
])("begins again after $nextMs ms where writing takes $writingMs ms", async ({ writingMs, nextMs }) => {
  const { clock, writesAtMs, arrive } = openTick(1, { writingMs });
  for (let round = 0; round < 600; round += 1) {
    arrive(2);
    await clock.advance(1);
  }
  const pauses = writesAtMs.slice(1).map((atMs, index) => atMs - (writesAtMs[index] ?? 0));
  expect(pauses.length).toBeGreaterThan(5);
  for (const pauseMs of pauses) expect(Math.abs(pauseMs - nextMs)).toBeLessThanOrEqual(1);
});

it("gathers for up to 50 ms where there is much to deliver, whatever the writing takes", async () => {
  const { clock, writesAtMs, arrive } = openTick(100);
  for (let round = 0; round < 200; round += 1) {
    arrive(20);
    await clock.advance(10);
  }
  const pauses = writesAtMs.slice(1).map((atMs, index) => atMs - (writesAtMs[index] ?? 0));
  expect(Math.max(...pauses)).toBe(50);
  expect(pauses.slice(-10)).toEqual(Array.from({ length: 10 }, () => 50));
  // What comes one by one again goes out at once again.
  await clock.advance(1_000);
  for (let round = 0; round < 5; round += 1) {
    const before = writesAtMs.length;
    arrive(1);
    await clock.advance(0);
    expect(writesAtMs).toHaveLength(before + 1);
    await clock.advance(200);
  }
});
