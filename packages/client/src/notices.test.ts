import { asConversationId, asSeq, asUserId, type ConversationState, type Notification } from "@tidings/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { Notices, ReadMarkers } from "./notices.ts";

const conversation = asConversationId("g_a");
let shown: number[];
let fetches: number[];

beforeEach(() => {
  shown = [];
  fetches = [];
});

describe("notifications (G9)", () => {
  test("who holds none begins with the newest of the first welcome", () => {
    const notices = newNotices();
    notices.handleWelcome(5);
    notices.handleNotify(numbered(6, 7));
    expect(shown).toEqual([6, 7]);
    expect(notices.held).toBe(7);
  });

  test("a number that comes twice is given out once", () => {
    const notices = newNotices(3);
    notices.handleWelcome(9);
    notices.handleNotify(numbered(4, 5));
    notices.handleNotify(numbered(5, 6));
    expect(shown).toEqual([4, 5, 6]);
  });

  test("what is missing before a number is fetched, once, and given out in order", () => {
    const notices = newNotices(3);
    notices.handleNotify(numbered(6));
    notices.handleNotify(numbered(7));
    expect(fetches).toEqual([3]);
    notices.handleFetched(numbered(4, 5, 6, 7));
    expect(shown).toEqual([4, 5, 6, 7]);
  });

  test("what does not exist any more is passed over", () => {
    const notices = newNotices(3);
    notices.handleNotify(numbered(90));
    notices.handleFetched(numbered(80, 81));
    expect(shown).toEqual([80, 81]);
  });

  test("a hole inside of a list is fetched, too", () => {
    const notices = newNotices(3);
    notices.handleNotify(numbered(4, 6));
    expect(shown).toEqual([4]);
    expect(fetches).toEqual([4]);
  });

  test("what the server cut short is fetched page by page", () => {
    const notices = newNotices(0);
    notices.handleWelcome(6);
    expect(fetches).toEqual([]);
    notices.handleNotify(numbered(1, 2));
    notices.handleFetched(numbered(3, 4));
    notices.handleFetched(numbered(5, 6));
    expect(fetches).toEqual([2, 4]);
    expect(shown).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("a number that the server names and does not have is not asked for again and again", () => {
    const notices = newNotices(0);
    notices.handleWelcome(6);
    notices.handleNotify(numbered(1));
    notices.handleFetched([]);
    expect(fetches).toEqual([1]);
  });

  test("a fetch that failed is tried again with the next notification", () => {
    const notices = newNotices(3);
    notices.handleNotify(numbered(5));
    notices.handleFetchFailed();
    notices.handleNotify(numbered(6));
    expect(fetches).toEqual([3, 3]);
  });
});

describe("read markers", () => {
  const state = (readSeq: number) => ({ conversation, read_seq: asSeq(readSeq) }) as ConversationState;

  test("those that the server does not have are sent again after a welcome", () => {
    const reads = new ReadMarkers();
    reads.mark(conversation, asSeq(5));
    reads.mark(conversation, asSeq(4));
    expect(reads.handleWelcome([state(3)])).toEqual([{ conversation, seq: 5 }]);
    expect(reads.handleWelcome([state(5)])).toEqual([]);
    expect(reads.handleWelcome([state(3)])).toEqual([]);
  });

  test("one that was refused for good is forgotten", () => {
    const reads = new ReadMarkers();
    reads.mark(conversation, asSeq(5));
    reads.forget(conversation);
    expect(reads.handleWelcome([state(3)])).toEqual([]);
  });
});

function newNotices(held?: number): Notices {
  return new Notices(held, {
    fetch: (after) => fetches.push(after),
    emit: (notifications) => shown.push(...notifications.map(({ n }) => n)),
  });
}

function numbered(...numbers: number[]): Notification[] {
  return numbers.map((n) => ({
    n,
    reason: "mention",
    conversation,
    seq: asSeq(n),
    sender: asUserId("u_x"),
    at_ms: 0,
  }));
}
