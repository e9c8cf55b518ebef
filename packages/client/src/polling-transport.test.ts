import {
  asConversationId,
  asMessageId,
  asSeq,
  asUserId,
  type HttpAnswer,
  type SendFrame,
  TidingsError,
} from "@tidings/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import type { FetchRequest, FetchResponse } from "./api.ts";
import { createPollingTransport, pollingLimits } from "./polling-transport.ts";
import { fixedRandom } from "./testing/fixed-random.ts";
import { ManualClock } from "./testing/manual-clock.ts";
import type { Link, LinkEnd, LinkFrame } from "./transport.ts";

const group = asConversationId("g_a");
let clock: ManualClock;
let requests: Request[];
let frames: LinkFrame[];
let end: LinkEnd | undefined;
let link: Link;

type Request = FetchRequest & { url: string; answer: (status: number, body: object) => void; fail: () => void };

beforeEach(() => {
  clock = new ManualClock();
  requests = [];
  frames = [];
  end = undefined;
});

describe("the hello of a polling link", () => {
  test("asks who we are, for our conversations and where notifications stand, and tells it as a welcome", async () => {
    open("short");
    expect(requests.map(({ url }) => url)).toEqual([
      "http://host/v1/me",
      "http://host/v1/conversations",
      "http://host/v1/notifications?limit=1",
    ]);
    await welcome();
    expect(frames).toEqual([
      { type: "welcome", user: { user_id: "u_a" }, conversations: [], heartbeat_ms: 0, notified: 7 },
    ]);
  });

  test("does not ask for notifications where they are known", () => {
    open("short", 4);
    expect(requests).toHaveLength(2);
  });

  test.each([
    { status: 401, code: "token-expired", denied: true },
    { status: 503, code: "draining", denied: false },
    { status: 404, code: "not-found", denied: true },
  ])("that is refused with $code ends the link, denied: $denied", async ({ status, code, denied }) => {
    open("short");
    requests[0]?.answer(status, { code, detail: "No.", retry_after_ms: 50 });
    await settled();
    expect(end).toMatchObject({ denied, error: { code, retryAfterMs: 50 } });
    expect(requests, "the other requests are given up").toHaveLength(0);
  });
});

describe("short polling", () => {
  beforeEach(async () => {
    open("short");
    await welcome();
  });

  test("asks at once, and again after the time that the server says", async () => {
    expect(bodyOf(poll())).toEqual({ have: { [group]: 3 }, notified: 7, wait_ms: 0 });
    await answer({ poll_after_ms: 2_000 });
    expect(frames.at(-1)).toMatchObject({ type: "synced" });
    expect(poll()).toBeUndefined();
    clock.advance(1_999);
    expect(poll()).toBeUndefined();
    clock.advance(1);
    await settled();
    expect(poll()).toBeDefined();
  });

  test("asks at once for what did not fit in", async () => {
    await answer({ status: "truncated", conversations: [item("truncated", [entry(4)])] });
    expect(frames.slice(-2)).toMatchObject([
      { type: "deliver", from_seq: 4, readable: { first_seq: 1 } },
      { type: "synced" },
    ]);
    expect(poll()).toBeDefined();
  });

  test("a sync ends the pause, and the next answer is its own", async () => {
    await answer({});
    link.sync({ type: "sync", request: 5, have: {} });
    await settled();
    await answer({});
    expect(frames.at(-1)).toMatchObject({ type: "synced", request: 5 });
  });

  test("a server that always says that there is more, and brings nothing, is not asked in a loop", async () => {
    for (let n = 0; n <= pollingLimits.barrenPollsMax; n += 1) await answer({ status: "truncated" });
    expect(poll()).toBeUndefined();
    clock.advance(1_000);
    await settled();
    expect(poll()).toBeDefined();
  });
});

describe("long polling", () => {
  beforeEach(async () => {
    open("long");
    await welcome();
  });

  test("is answered at once the first time, and waits for news from then on", async () => {
    expect(bodyOf(poll())).toMatchObject({ wait_ms: 0 });
    await answer({});
    expect(bodyOf(poll())).toMatchObject({ wait_ms: 25_000 });
    clock.advance(25_000);
    await answer({});
    expect(bodyOf(poll())).toMatchObject({ wait_ms: 25_000 });
  });

  test("gathers in a busy conversation", async () => {
    await answer({});
    await answer({ conversations: [item("complete", [entry(4)])] });
    expect(poll()).toBeUndefined();
    clock.advance(pollingLimits.longPollMsMin);
    await settled();
    expect(poll()).toBeDefined();
  });

  test("is given up by a sync, which wants to know now", async () => {
    await answer({});
    link.sync({ type: "sync", request: 5, have: {} });
    await settled();
    expect(requests).toHaveLength(1);
    expect(bodyOf(poll())).toMatchObject({ wait_ms: 0 });
    await answer({});
    expect(frames.at(-1)).toMatchObject({ request: 5 });
  });

  test("is over when no answer comes long after its time", async () => {
    await answer({});
    clock.advance(25_000 + pollingLimits.answerMsMax);
    await settled();
    expect(end).toMatchObject({ denied: false, error: { name: "UnreachableError" } });
  });
});

describe("sending", () => {
  const send: SendFrame = { type: "send", message_id: asMessageId("m1"), text: "hello", mentions: [asUserId("u_c")] };
  beforeEach(async () => {
    open("short");
    await welcome();
  });

  test("is a request of its own, and its answer an acknowledgement", async () => {
    link.send({ ...send, conversation: group });
    const request = requests.at(-1);
    expect(request?.url).toBe("http://host/v1/conversations/g_a/messages");
    expect(bodyOf(request)).toEqual({ message_id: "m1", text: "hello", mentions: ["u_c"] });
    request?.answer(200, { conversation: group, message_id: "m1", seq: 4, at_ms: 1 });
    await settled();
    expect(frames.at(-1)).toEqual({ type: "ack", conversation: group, message_id: "m1", seq: 4, at_ms: 1 });
  });

  test("goes to a user where that is the target", () => {
    link.send({ ...send, to: asUserId("u_b") });
    expect(requests.at(-1)?.url).toBe("http://host/v1/users/u_b/messages");
  });

  test.each([
    { status: 429, code: "rate-limited", retryable: true },
    { status: 403, code: "not-a-member", retryable: false },
  ])("that is refused with $code is told as on a socket", async ({ status, code, retryable }) => {
    link.send({ ...send, conversation: group });
    requests.at(-1)?.answer(status, { code, detail: "No." });
    await settled();
    expect(frames.at(-1)).toEqual({ type: "error", code, detail: "No.", retryable, message_id: "m1" });
  });

  test("without an answer ends the link, so that the message goes again on the next", async () => {
    link.send({ ...send, conversation: group });
    requests.at(-1)?.fail();
    await settled();
    expect(end).toMatchObject({ denied: false });
  });

  test("a read marker that is refused says which", async () => {
    link.read({ type: "read", conversation: group, seq: asSeq(9) });
    expect(requests.at(-1)).toMatchObject({ method: "PUT", body: '{"seq":9}' });
    requests.at(-1)?.answer(409, { code: "seq-beyond-head", detail: "No." });
    await settled();
    expect(frames.at(-1)).toMatchObject({ type: "error", code: "seq-beyond-head", conversation: group });
  });
});

test("a closed link says nothing more, and leaves neither request nor timer", async () => {
  open("long");
  await welcome();
  const told = frames.length;
  const pending = poll();
  await link.close();
  pending?.answer(200, {});
  await settled();
  expect([frames.length, end, requests.length, clock.timersPending]).toEqual([told, undefined, 0, 0]);
});

function open(kind: "long" | "short", notified?: number): void {
  let known = notified;
  const transport = createPollingTransport({
    url: "http://host",
    fetch,
    clock,
    random: fixedRandom(),
    kind,
    intervalMs: undefined,
  });
  link = transport.open(
    { token: "secret", have: () => ({ [group]: asSeq(3) }), notified: () => known, resume: false },
    {
      frame: (frame) => {
        if (frame.type === "welcome") known = frame.notified;
        frames.push(frame);
      },
      badFrame: () => undefined,
      ended: (reason) => {
        end = reason;
      },
    },
  );
}

/** A fetch whose answers the test gives. */
function fetch(url: string, request: FetchRequest): Promise<FetchResponse> {
  return new Promise((resolve, reject) => {
    const done = () => {
      requests = requests.filter((other) => other !== pending);
    };
    const pending: Request = {
      ...request,
      url,
      answer: (status, body) => {
        done();
        resolve({ status, headers: { get: () => null }, text: async () => JSON.stringify(body) });
      },
      fail: () => {
        done();
        reject(new TypeError("fetch failed"));
      },
    };
    request.signal?.addEventListener("abort", pending.fail);
    requests.push(pending);
  });
}

async function welcome(): Promise<void> {
  const bodies = [{ user_id: "u_a" }, { items: [] }, { items: [], notified: 7 }];
  for (const [index, request] of [...requests].entries()) request.answer(200, bodies[index] ?? {});
  await settled();
}

const poll = () => requests.find(({ url }) => url.endsWith("/v1/sync"));

async function answer(given: Partial<HttpAnswer<"sync">>): Promise<void> {
  const empty = { status: "complete", conversations: [], notified: 7, notifications: [], poll_after_ms: 1_000 };
  const request = poll();
  if (request === undefined) throw new TidingsError("internal", { detail: "No poll is under way." });
  request.answer(200, { ...empty, ...given });
  await settled();
}

const bodyOf = (request: FetchRequest | undefined): unknown => JSON.parse(request?.body ?? "null");
const entry = (seq: number) => ({ seq: asSeq(seq), at_ms: 0, kind: "member-left" as const, user: asUserId("u_x") });

function item(status: "complete" | "truncated", entries: ReturnType<typeof entry>[]) {
  return {
    conversation: group,
    status,
    head: asSeq(9),
    first_seq: asSeq(1),
    from_seq: entries[0]?.seq ?? asSeq(1),
    entries,
  };
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
