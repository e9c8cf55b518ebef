import {
  asConversationId,
  asSeq,
  asUserId,
  type ConversationId,
  type ConversationState,
  type Entry,
  type Seq,
  type SyncStatus,
} from "@tidings/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { Inbox, inboxLimits } from "./inbox.ts";
import type { ClientEvent } from "./types.ts";

const a = asConversationId("g_a");
const b = asConversationId("g_b");
let said: string[];
let woken: number | undefined;
let nowMs: number;
let inbox: Inbox;

beforeEach(() => {
  nowMs = 0;
  inbox = newInbox();
});

describe("where a conversation begins", () => {
  test.each([
    { unknown: "from-head", at: 7 },
    { unknown: "since-join", at: 4 },
    { unknown: "everything", at: 1 },
  ] as const)("at the first welcome, $unknown: after $at", ({ unknown, at }) => {
    inbox = newInbox({ unknown });
    inbox.handleWelcome([state(a, { head: 7, joined: 5, first: 2 })]);
    expect(inbox.cursors()).toEqual({ [a]: at });
  });

  test("what is held goes on, wherever the others begin", () => {
    inbox = newInbox({ have: { [a]: asSeq(3) } });
    inbox.handleWelcome([state(a, { head: 7 })]);
    expect(inbox.cursors()).toEqual({ [a]: 3 });
  });

  test("what appears at a later welcome is taken from the join on", () => {
    inbox.handleWelcome([]);
    inbox.endSession();
    inbox.handleWelcome([state(b, { head: 9, joined: 4 })]);
    expect(inbox.cursors()).toEqual({ [b]: 3 });
    synced();
    expect(said).toEqual(["sync 1 g_b:3"]);
  });
});

describe("repair", () => {
  beforeEach(() => goLive());

  test("a gap is asked for from the cursor, and what was pushed meanwhile is skipped (G5)", () => {
    deliver(a, 10, 10);
    expect(said).toEqual(["sync 1 g_a:7"]);
    deliver(a, 8, 10);
    deliver(a, 10, 11);
    synced(1, { a: ["complete", 10] });
    expect(said).toEqual(["sync 1 g_a:7", "entries g_a 8-10", "entries g_a 11-11", "complete"]);
  });

  test("a head that we do not hold is asked for", () => {
    inbox.handleHeads({ type: "heads", heads: { [a]: asSeq(9), [b]: asSeq(50) } });
    expect(said).toEqual(["sync 1 g_a:7"]);
  });

  test("one sync is under way at a time", () => {
    deliver(a, 10, 10);
    deliver(a, 12, 12);
    inbox.handleHeads({ type: "heads", heads: { [a]: asSeq(20) } });
    expect(said).toEqual(["sync 1 g_a:7"]);
  });

  test("what was cut short is asked for again at once, as long as it gets on", () => {
    deliver(a, 12, 12);
    deliver(a, 8, 9);
    synced(1, { a: ["truncated", 12] });
    expect(said).toEqual(["sync 1 g_a:7", "entries g_a 8-9", "sync 2 g_a:9"]);
  });

  test("what does not get on is asked for ever more rarely, not in a loop", () => {
    inbox.handleHeads({ type: "heads", heads: { [a]: asSeq(9) } });
    const waits: (number | undefined)[] = [];
    for (let request = 1; request <= 8; request += 1) {
      synced(request, { a: ["complete", 9] });
      waits.push(woken);
      nowMs += woken ?? 0;
      inbox.handleDue();
    }
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    deliver(a, 8, 9);
    synced(9, { a: ["complete", 9] });
    expect(said.slice(-2)).toEqual(["entries g_a 8-9", "complete"]);
  });

  test("a sync that is refused is repeated at the time that the server says", () => {
    inbox.handleHeads({ type: "heads", heads: { [a]: asSeq(9) } });
    inbox.handleSyncRefused(1, 700);
    expect(woken).toBe(700);
    nowMs = 700;
    inbox.handleDue();
    expect(said).toEqual(["sync 1 g_a:7", "sync 2 g_a:7"]);
  });

  test("a large group is fetched after the time of its hint, not before (G10)", () => {
    inbox.handleHint({ type: "hint", conversation: a, head: asSeq(30), poll_after_ms: 2_000 });
    expect(said).toEqual([]);
    expect(woken).toBe(2_000);
    nowMs = 2_000;
    inbox.handleDue();
    expect(said).toEqual(["sync 1 g_a:7"]);
  });

  test("an answer to a sync of another session changes nothing", () => {
    synced(5, { a: ["truncated", 99] });
    expect(said).toEqual([]);
  });
});

describe("what the server may not do", () => {
  beforeEach(() => goLive());

  test("a hole in a range: what is dense is taken, the rest is asked for", () => {
    inbox.handleDeliver({ conversation: a, from_seq: asSeq(8), entries: [entry(8), entry(10)] });
    expect(said).toEqual(["anomaly hole", "entries g_a 8-8", "sync 1 g_a:8"]);
  });

  test("a head below what it gave us", () => {
    inbox.name();
    inbox.endSession();
    inbox.handleWelcome([state(a, { head: 5 })]);
    expect(said).toEqual(["anomaly head-went-back"]);
  });

  test("entries of a conversation that was never announced", () => {
    deliver(b, 1, 1);
    expect(said).toEqual(["anomaly unknown-conversation"]);
  });

  test("entries after the end (G7)", () => {
    inbox.handleEnded({ type: "ended", conversation: a, last_seq: asSeq(7), reason: "removed" });
    deliver(a, 8, 8);
    expect(said).toEqual(["ended g_a 7 removed", "anomaly after-end"]);
  });
});

describe("an end", () => {
  beforeEach(() => goLive());

  test("is told when all entries up to it were given out, and the conversation is named no more", () => {
    inbox.handleEnded({ type: "ended", conversation: a, last_seq: asSeq(9), reason: "left" });
    expect(said).toEqual([]);
    deliver(a, 8, 9);
    expect(said).toEqual(["entries g_a 8-9", "ended g_a 9 left", "complete"]);
    expect(inbox.name()).toEqual({});
    expect(inbox.cursors()).toEqual({ [a]: 9 });
  });

  test("fetches what does not come by itself", () => {
    inbox.handleEnded({ type: "ended", conversation: a, last_seq: asSeq(9), reason: "left" });
    expect(woken).toBe(inboxLimits.pushGraceMs);
    nowMs = inboxLimits.pushGraceMs;
    inbox.handleDue();
    expect(said).toEqual(["sync 1 g_a:7"]);
  });

  test("that came while we were away is found by the sync of the hello, and its reason in the last entry", () => {
    inbox.name();
    inbox.endSession();
    inbox.handleWelcome([]);
    inbox.handleDeliver({ conversation: a, from_seq: asSeq(8), entries: [removal(8)] });
    synced(undefined, { a: ["ended", 8, 8] });
    expect(said).toEqual(["entries g_a 8-8", "ended g_a 8 banned", "complete"]);
  });

  test("of a conversation that the server does not know for us any more", () => {
    inbox.name();
    inbox.endSession();
    inbox.handleWelcome([]);
    synced();
    expect(said).toEqual(["ended g_a 7", "complete"]);
  });

  test("is none when we join again: what is held goes on", () => {
    inbox.handleEnded({ type: "ended", conversation: a, last_seq: asSeq(7), reason: "left" });
    inbox.handleJoined({ type: "joined", state: state(a, { head: 12, joined: 12, first: 12 }) });
    deliver(a, 12, 12);
    expect(said).toEqual(["ended g_a 7 left", "joined g_a", "entries g_a 12-12", "complete"]);
  });
});

test("a join waits a moment for its entries to be pushed before it asks", () => {
  goLive();
  inbox.handleJoined({ type: "joined", state: state(b, { head: 3, joined: 3 }) });
  expect(said).toEqual(["joined g_b"]);
  expect(woken).toBe(inboxLimits.pushGraceMs);
  deliver(b, 3, 3);
  expect(said).toEqual(["joined g_b", "entries g_b 3-3", "complete"]);
});

test("a refresh asks for everything, and says when it is complete", () => {
  goLive();
  inbox.refresh();
  expect(said).toEqual(["sync 1 g_a:7"]);
  synced(1, { a: ["complete", 7] });
  expect(said).toEqual(["sync 1 g_a:7", "complete"]);
});

function newInbox(options: Partial<ConstructorParameters<typeof Inbox>[0]> = {}): Inbox {
  said = [];
  woken = undefined;
  return new Inbox(
    { have: {}, unknown: "from-head", ...options },
    {
      emit: (event) => said.push(words(event)),
      sync: (request, have) => said.push(`sync ${request} ${Object.entries(have).map(([id, seq]) => `${id}:${seq}`)}`),
      wake: (afterMs) => {
        woken = afterMs;
      },
      nowMs: () => nowMs,
    },
  );
}

/** In g_a, at its head 7, with nothing lacking. */
function goLive(): void {
  inbox.name();
  inbox.handleWelcome([state(a, { head: 7 })]);
  synced();
  expect(said).toEqual(["complete"]);
  said.length = 0;
}

function deliver(conversation: ConversationId, from: number, to: number): void {
  const entries = Array.from({ length: to - from + 1 }, (_, index) => entry(from + index));
  inbox.handleDeliver({ conversation, from_seq: asSeq(from), entries });
}

/** Conversations by their last letter: status, head, and last_seq where it has ended. */
function synced(request?: number, items: Record<string, [SyncStatus, number, number?]> = {}): void {
  const conversations = Object.entries(items).map(([name, [status, head, last]]) => {
    const item = { conversation: asConversationId(`g_${name}`), status, head: asSeq(head), first_seq: asSeq(1) };
    return last === undefined ? item : { ...item, last_seq: asSeq(last) };
  });
  inbox.handleSynced(
    request === undefined ? { type: "synced", conversations } : { type: "synced", request, conversations },
  );
}

function state(conversation: ConversationId, at: { head: number; joined?: number; first?: number }): ConversationState {
  const { head, joined = 1, first = 1 } = at;
  return {
    conversation,
    kind: "group",
    role: "member",
    head: asSeq(head),
    first_seq: asSeq(first),
    joined_seq: asSeq(joined),
    read_seq: asSeq(0),
    unread: 0,
    notify: "mentions",
  };
}

const at = (seq: number): { seq: Seq; at_ms: number } => ({ seq: asSeq(seq), at_ms: 0 });
const entry = (seq: number): Entry => ({ ...at(seq), kind: "member-left", user: asUserId("u_x") });
const removal = (seq: number): Entry => ({
  ...at(seq),
  kind: "member-removed",
  user: asUserId("u_me"),
  by: asUserId("u_x"),
  banned: true,
});

function words(event: ClientEvent): string {
  switch (event.type) {
    case "entries":
      return `entries ${event.conversation} ${event.from_seq}-${event.entries.at(-1)?.seq}`;
    case "ended":
      return `ended ${event.conversation} ${event.last_seq} ${event.reason ?? ""}`.trim();
    case "joined":
      return `joined ${event.state.conversation}`;
    case "anomaly":
      return `anomaly ${event.kind}`;
    default:
      return event.type;
  }
}
