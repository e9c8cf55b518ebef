import {
  asConversationId,
  asMessageId,
  asSeq,
  type ErrorCode,
  errorCatalogue,
  type SendFrame,
  TidingsError,
} from "@tidings/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { OutboxFullError } from "./errors.ts";
import { Outbox } from "./outbox.ts";

const conversation = asConversationId("g_a");
let outbox: Outbox;
let settled: string[];

beforeEach(() => {
  settled = [];
  outbox = new Outbox({ windowMax: 3, messagesMax: 8, turns: true });
});

describe("the window", () => {
  test("as many as fit are sent, in order, and each answer makes room for one more", () => {
    add("a", "b", "c", "d");
    outbox.beginSession();
    expect(sendable()).toEqual(["a1", "b2", "c3"]);
    ack("a", 1);
    expect(sendable()).toEqual(["d4"]);
    expect(settled).toEqual(["a"]);
  });

  test("nothing is sent without a session", () => {
    add("a");
    expect(sendable()).toEqual([]);
  });

  test("a full outbox says so, and has room again when one is settled (G8)", () => {
    add("a", "b", "c", "d", "e", "f", "g", "h");
    expect(() => add("i")).toThrow(OutboxFullError);
    outbox.beginSession();
    sendable();
    ack("a", 1);
    add("i");
    expect(outbox.size).toBe(8);
  });
});

describe("a new session", () => {
  test("begins with turn 1 at the oldest that is not settled, so that the order stays (G4)", () => {
    add("a", "b", "c", "d");
    outbox.beginSession();
    sendable();
    ack("b", 2);
    outbox.endSession();
    outbox.beginSession();
    expect(sendable()).toEqual(["a1", "c2", "d3"]);
  });

  test("settles nothing twice, whatever comes late", () => {
    add("a");
    outbox.beginSession();
    sendable();
    ack("a", 1);
    ack("a", 1);
    expect(settled).toEqual(["a"]);
  });
});

describe("a refusal for a while", () => {
  test("holds everything until all in flight are answered and the time is over, then sends again in order with the same turns", () => {
    add("a", "b", "c", "d");
    outbox.beginSession();
    sendable();
    refuse("a", 1, "rate-limited", { nowMs: 0, retryAfterMs: 100 });
    expect(outbox.heldForMs(10)).toBeUndefined();
    refuse("b", 2, "out-of-turn", { nowMs: 10 });
    expect(sendable(200)).toEqual([]);
    refuse("c", 3, "out-of-turn", { nowMs: 20 });
    expect(outbox.heldForMs(40)).toBe(60);
    expect(sendable(99)).toEqual([]);
    expect(sendable(100)).toEqual(["a1"]);
    ack("a", 1);
    expect(sendable(110)).toEqual(["b2", "c3"]);
    ack("b", 2);
    ack("c", 3);
    expect(sendable(120)).toEqual(["d4"]);
  });

  test("leaves alone what the server took after all", () => {
    add("a", "b", "c");
    outbox.beginSession();
    sendable();
    refuse("b", 2, "unavailable", { nowMs: 0, retryAfterMs: 0 });
    refuse("c", 3, "out-of-turn", { nowMs: 0 });
    ack("a", 1);
    expect(sendable(1)).toEqual(["b2"]);
    ack("b", 2);
    expect(sendable(1)).toEqual(["c3"]);
    expect(settled).toEqual(["a", "b"]);
  });

  test("without a time of its own is waited for longer each time, until something is taken", () => {
    add("a", "b");
    outbox.beginSession();
    const waits: (number | undefined)[] = [];
    for (let round = 0; round < 8; round += 1) {
      const nowMs = round * 100_000;
      expect(sendable(nowMs)).toEqual(round === 0 ? ["a1", "b2"] : ["a1"]);
      refuse("a", 1, "unavailable", { nowMs });
      if (round === 0) refuse("b", 2, "out-of-turn", { nowMs });
      waits.push(outbox.heldForMs(nowMs));
    }
    expect(waits).toEqual([125, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  });

  test("of a turn though none is missing means that only a new session helps", () => {
    add("a");
    outbox.beginSession();
    sendable();
    refuse("a", 1, "out-of-turn", { nowMs: 0 });
    expect(sendable(1)).toEqual([]);
    expect(outbox.confused).toBe(true);
    outbox.beginSession();
    expect(outbox.confused).toBe(false);
    expect(sendable(1)).toEqual(["a1"]);
  });
});

test("a refusal for good settles its message and its turn; the others go on", () => {
  add("a", "b", "c", "d");
  outbox.beginSession();
  sendable();
  expect(refuse("b", 2, "not-a-member", { nowMs: 0 })?.message_id).toBe("b");
  expect(sendable()).toEqual(["d4"]);
  expect(settled).toEqual(["b: not-a-member"]);
});

test("without turns one message_id in two conversations is told apart by the order", () => {
  outbox = new Outbox({ windowMax: 1, messagesMax: 8, turns: false });
  add("a", "a");
  outbox.beginSession();
  expect(sendable()).toEqual(["a"]);
  ack("a");
  expect(sendable()).toEqual(["a"]);
  ack("a");
  expect(settled).toEqual(["a", "a"]);
});

test("what is dropped at the end is settled with the error, each once", () => {
  add("a", "b");
  outbox.beginSession();
  sendable();
  ack("a", 1);
  outbox.rejectAll(new TidingsError("unavailable"));
  expect(settled).toEqual(["a", "b: unavailable"]);
  expect(outbox.size).toBe(0);
});

test("thousands of messages pass through without piling up", () => {
  outbox = new Outbox({ windowMax: 16, messagesMax: 10_000, turns: true });
  for (let n = 0; n < 10_000; n += 1) add(`m${n}`);
  outbox.beginSession();
  let turn = 0;
  for (let frames = sendable(); frames.length > 0; frames = sendable()) {
    for (const _ of frames) ack(`m${turn}`, ++turn);
  }
  expect(settled).toHaveLength(10_000);
  expect(settled[9_999]).toBe("m9999");
});

function add(...names: string[]): void {
  for (const name of names) {
    const frame: SendFrame = { type: "send", conversation, message_id: asMessageId(name), text: name };
    outbox.add({
      frame,
      settle: (outcome) => settled.push(outcome instanceof TidingsError ? `${name}: ${outcome.code}` : name),
    });
  }
}

/** Everything that may be sent now, as name and turn. */
function sendable(nowMs = 0): string[] {
  const names: string[] = [];
  for (let frame = outbox.next(nowMs); frame !== undefined; frame = outbox.next(nowMs)) {
    names.push(`${frame.message_id}${frame.turn ?? ""}`);
  }
  return names;
}

function ack(name: string, turn?: number): void {
  const frame = { type: "ack", message_id: asMessageId(name), conversation, seq: asSeq(1), at_ms: 1 } as const;
  outbox.handleAck(turn === undefined ? frame : { ...frame, turn });
}

function refuse(name: string, turn: number, code: ErrorCode, when: { nowMs: number; retryAfterMs?: number }) {
  const { retryable } = errorCatalogue[code];
  const frame = { type: "error", code, detail: code, retryable, message_id: asMessageId(name), turn } as const;
  const { nowMs, retryAfterMs } = when;
  return outbox.handleRefusal(retryAfterMs === undefined ? frame : { ...frame, retry_after_ms: retryAfterMs }, {
    nowMs,
    fraction: 0.5,
  });
}
