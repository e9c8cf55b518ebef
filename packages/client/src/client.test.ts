import {
  asConversationId,
  asMessageId,
  asSeq,
  asUserId,
  type ConversationState,
  TidingsError,
} from "@tidings/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createClient } from "./client.ts";
import { ClientStoppedError } from "./errors.ts";
import { FakeWebSocket } from "./testing/fake-web-socket.ts";
import { fixedRandom } from "./testing/fixed-random.ts";
import { ManualClock } from "./testing/manual-clock.ts";
import type { ClientEvent, ClientOptions, TidingsClient } from "./types.ts";

const group = asConversationId("g_a");
let clock: ManualClock;
let events: ClientEvent[];
let client: TidingsClient;

beforeEach(() => {
  FakeWebSocket.made = [];
  clock = new ManualClock();
  client = newClient();
});

afterEach(async () => {
  const stopped = client.stop();
  for (const socket of FakeWebSocket.made) socket.closes(1000);
  await stopped;
  expect(clock.timersPending, "a stopped client leaves no timer").toBe(0);
});

describe("the hello", () => {
  test("goes to the socket's address with the protocol, the token, what is held, and whether it is the first", () => {
    client = newClient({ url: "https://host/chat", have: { [group]: 3 }, notified: 8, name: "test 1" });
    client.start();
    socket().opens();
    expect([socket().url, socket().protocols]).toEqual(["wss://host/chat/v1/socket", ["tidings.v1"]]);
    const hello = { type: "hello", token: "secret", have: { [group]: 3 }, notified: 8, client: "test 1" };
    expect(socket().sent).toEqual([hello]);
    welcome();
    socket().closes(1006);
    clock.advance(10_000);
    socket().opens();
    expect(socket().sent).toEqual([{ ...hello, resume: true }]);
  });

  test("that is refused for a while is repeated after the time that the server drew", () => {
    client.start();
    socket().opens();
    socket().says({ type: "error", code: "busy", detail: "Later.", retryable: true, retry_after_ms: 4_000 });
    expect(client.state).toBe("waiting");
    clock.advance(4_000);
    expect(FakeWebSocket.made).toHaveLength(1);
    clock.advance(125);
    expect(FakeWebSocket.made).toHaveLength(2);
  });

  test("without an answer is given up in time", () => {
    client.start();
    socket().opens();
    clock.advance(15_000);
    expect(client.state).toBe("waiting");
    expect(socket().closedWith).toBe(1000);
  });
});

describe("a refused token", () => {
  const refuse = () => {
    socket().opens();
    socket().says({ type: "error", code: "token-expired", detail: "Expired.", retryable: false });
    socket().closes(4401, "token-expired");
  };

  test("stops the client with the error, which everybody who waits is given", async () => {
    const live = client.whenLive();
    const sent = client.send({ conversation: group }, { text: "hello" });
    client.start();
    refuse();
    expect(client.state).toBe("stopped");
    await expect(live).rejects.toMatchObject({ code: "token-expired" });
    await expect(sent).rejects.toMatchObject({ cause: { code: "token-expired" } });
    await expect(sent).rejects.toBeInstanceOf(ClientStoppedError);
    await expect(client.whenLive()).rejects.toMatchObject({ code: "token-expired" });
    expect(events.at(-1)).toMatchObject({ type: "state", state: "stopped", error: { code: "token-expired" } });
  });

  test("that can be had anew is asked for once more, and the same one again ends it", async () => {
    const tokens = ["old", "new", "new"];
    client = newClient({ token: async () => tokens.shift() ?? "none" });
    client.start();
    await settled();
    refuse();
    expect(client.state).toBe("waiting");
    clock.advance(10_000);
    await settled();
    socket().opens();
    expect(socket().sent).toMatchObject([{ token: "new" }]);
    refuse();
    clock.advance(10_000);
    await settled();
    expect(client.state).toBe("stopped");
    expect(FakeWebSocket.made).toHaveLength(2);
  });

  test("a close code alone says enough", () => {
    client.start();
    socket().opens();
    socket().closes(4401);
    expect(events.at(-1)).toMatchObject({ state: "stopped", error: { code: "unauthenticated" } });
  });

  test("a program that fails to give a token is asked again, unless its error is for good", async () => {
    const failures = [new Error("offline"), new TidingsError("credentials-wrong")];
    client = newClient({ token: () => Promise.reject(failures.shift()) });
    client.start();
    await settled();
    expect(client.state).toBe("waiting");
    clock.advance(10_000);
    await settled();
    expect(client.state).toBe("stopped");
  });
});

describe("a link", () => {
  beforeEach(() => {
    client.start();
    socket().opens();
    welcome();
  });

  test("that is silent for one and a half heartbeats is replaced", () => {
    clock.advance(37_000);
    socket().says({ type: "heads", heads: {} });
    clock.advance(37_000);
    expect(client.state).toBe("live");
    clock.advance(500);
    expect(client.state).toBe("waiting");
  });

  test("that beats but owes an answer is replaced, too", () => {
    void client.send({ conversation: group }, { text: "hello" }).catch(() => undefined);
    for (let n = 0; n < 3; n += 1) {
      clock.advance(20_000);
      socket().says({ type: "heads", heads: {} });
    }
    expect(client.state).toBe("connecting");
  });

  test("whose first sync fails is replaced, for nothing would close that sync", () => {
    socket().closes(1006);
    clock.advance(10_000);
    socket().opens();
    socket().says(welcomeFrame());
    socket().says({ type: "error", code: "unavailable", detail: "No.", retryable: true });
    expect(client.state).toBe("waiting");
  });

  test("that says goodbye goes on until the next one is live, and nothing is lost in between (G11)", () => {
    const old = socket();
    old.says({ type: "goodbye", reconnect_after_ms: 3_000 });
    old.says(deliver(1, 1));
    clock.advance(3_000);
    expect(FakeWebSocket.made).toHaveLength(2);
    old.says(deliver(2, 2));
    socket().opens();
    expect(socket().sent).toMatchObject([{ have: { [group]: 2 }, resume: true }]);
    expect(old.closedWith).toBeUndefined();
    socket().says(welcomeFrame());
    expect(old.closedWith).toBe(1000);
    old.says(deliver(3, 3));
    socket().says(deliver(3, 4));
    expect(client.cursors()).toEqual({ [group]: 4 });
    expect(events.filter(({ type }) => type === "state")).toHaveLength(2);
  });

  test("may say what we do not know, and what is no frame", () => {
    socket().says({ type: "of-a-newer-server", conversation: 7 });
    socket().says("not JSON");
    socket().says("[]");
    socket().says({ type: "error", code: "of-a-newer-server", detail: "?", retryable: false });
    expect(client.state).toBe("live");
    expect(events.filter(({ type }) => type === "anomaly")).toHaveLength(3);
  });
});

describe("sending", () => {
  beforeEach(() => {
    client.start();
    socket().opens();
    welcome();
  });

  test("resolves with the server's answer", async () => {
    const sent = client.send({ to: asUserId("u_b") }, { text: "hello", mentions: [asUserId("u_c")] });
    const frame = socket().sent.at(-1);
    expect(frame).toMatchObject({ type: "send", to: "u_b", text: "hello", mentions: ["u_c"], turn: 1 });
    const message_id = frame?.type === "send" ? frame.message_id : "";
    socket().says({ type: "ack", message_id, conversation: "d_a~u_b", seq: 9, at_ms: 5, turn: 1 });
    expect(await sent).toEqual({ conversation: "d_a~u_b", message_id, seq: 9, at_ms: 5 });
  });

  test("survives a lost connection, under the same message_id", async () => {
    const sent = client.send({ conversation: group }, { text: "hello", message_id: asMessageId("m1") });
    socket().closes(1006);
    clock.advance(10_000);
    socket().opens();
    welcome();
    expect(socket().sent.at(-1)).toMatchObject({ type: "send", message_id: "m1", turn: 1 });
    socket().says({ type: "ack", message_id: "m1", conversation: group, seq: 1, at_ms: 5, turn: 1 });
    expect((await sent).seq).toBe(1);
  });

  test("a refusal for good rejects, and is an event", async () => {
    const sent = client.send({ conversation: group }, { text: "hello", message_id: asMessageId("m1") });
    socket().says({ type: "error", code: "not-a-member", detail: "No.", retryable: false, message_id: "m1", turn: 1 });
    await expect(sent).rejects.toMatchObject({ code: "not-a-member" });
    expect(events.at(-1)).toMatchObject({ type: "refused", message_id: "m1", error: { code: "not-a-member" } });
  });

  test.each([
    { says: "an empty text", message: { text: "" }, code: "invalid-request" },
    { says: "a text over the limit", message: { text: "x".repeat(16_385) }, code: "text-too-large" },
    { says: "half a character", message: { text: "\ud800" }, code: "invalid-request" },
    {
      says: "metadata over the limit",
      message: { text: "x", metadata: { y: "z".repeat(4_096) } },
      code: "metadata-too-large",
    },
  ])("$says is refused here, before it could cost the session", async ({ message, code }) => {
    const before = socket().sent.length;
    await expect(client.send({ conversation: group }, message)).rejects.toMatchObject({ code });
    expect(socket().sent).toHaveLength(before);
  });

  test("drain waits for the last answer, takes nothing new, and stops", async () => {
    const sent = client.send({ conversation: group }, { text: "hello", message_id: asMessageId("m1") });
    const drained = client.drain();
    await expect(client.send({ conversation: group }, { text: "late" })).rejects.toBeInstanceOf(ClientStoppedError);
    expect(client.state).toBe("live");
    socket().says({ type: "ack", message_id: "m1", conversation: group, seq: 1, at_ms: 5, turn: 1 });
    await sent;
    await settled();
    expect(client.state).toBe("stopped");
    socket().closes(1000);
    await drained;
  });

  test("stop rejects what is not settled, and does not wait for ever for the other side", async () => {
    const sent = client.send({ conversation: group }, { text: "hello" });
    const stopped = client.stop();
    await expect(sent).rejects.toBeInstanceOf(ClientStoppedError);
    clock.advance(2_000);
    await stopped;
  });
});

describe("read markers and notifications", () => {
  test("a marker goes out when connected, and again when the server missed it", () => {
    client.markRead(group, asSeq(4));
    client.start();
    socket().opens();
    welcome();
    expect(socket().sent.at(-1)).toEqual({ type: "read", conversation: group, seq: 4 });
    socket().says({ type: "error", code: "seq-beyond-head", detail: "No.", retryable: false, conversation: group });
    expect(events.at(-1)).toMatchObject({ type: "mark-refused", conversation: group });
  });

  test("notifications are given out once, in order", () => {
    client.start();
    socket().opens();
    welcome();
    const notification = { reason: "mention", conversation: group, seq: 1, sender: "u_b", at_ms: 1 };
    socket().says({ type: "notify", notifications: [{ ...notification, n: 3 }] });
    socket().says({
      type: "notify",
      notifications: [
        { ...notification, n: 3 },
        { ...notification, n: 4 },
      ],
    });
    expect(
      events.flatMap((event) => (event.type === "notifications" ? event.notifications.map(({ n }) => n) : [])),
    ).toEqual([3, 4]);
    expect(client.notified).toBe(4);
  });
});

test("a listener that throws harms neither the client nor the other listeners", async () => {
  const surfaced: unknown[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.once("uncaughtException", (error) => surfaced.push(error));
  const heard: string[] = [];
  const off = client.on(() => {
    off();
    throw new Error("a bug of the program");
  });
  client.on(({ type }) => heard.push(type));
  client.start();
  await new Promise((resolve) => setImmediate(resolve));
  for (const listener of listeners) process.on("uncaughtException", listener);
  expect(surfaced).toMatchObject([{ message: "a bug of the program" }]);
  expect(heard).toEqual(["state"]);
});

test("whenLive gives up when its signal says so", async () => {
  const controller = new AbortController();
  const live = client.whenLive(controller.signal);
  controller.abort(new Error("enough"));
  await expect(live).rejects.toThrow("enough");
});

test("options out of range are refused at once", () => {
  expect(() => newClient({ url: "ftp://host" })).toThrow(TidingsError);
  expect(() => newClient({ sendWindow: 0 })).toThrow(TidingsError);
  expect(() => newClient({ have: { [asConversationId("x")]: 1 } })).toThrow(TidingsError);
});

function newClient(options: Partial<ClientOptions> = {}): TidingsClient {
  events = [];
  return createClient({
    url: "http://host",
    token: "secret",
    webSocket: FakeWebSocket,
    clock,
    random: fixedRandom(),
    onEvent: (event) => events.push(event),
    ...options,
  });
}

function socket(): FakeWebSocket {
  return FakeWebSocket.made.at(-1)!;
}

function welcome(): void {
  socket().says(welcomeFrame());
  socket().says({ type: "synced", conversations: [] });
}

function welcomeFrame() {
  const state: ConversationState = {
    conversation: group,
    kind: "group",
    role: "member",
    head: asSeq(0),
    first_seq: asSeq(1),
    joined_seq: asSeq(1),
    read_seq: asSeq(0),
    unread: 0,
    notify: "mentions",
  };
  const user = { user_id: "u_a", name: "ada", display_name: "Ada" };
  return { type: "welcome", session: "s", user, heartbeat_ms: 25_000, conversations: [state], notified: 2 };
}

function deliver(from: number, to: number) {
  const entries = Array.from({ length: to - from + 1 }, (_, index) => {
    return { seq: from + index, at_ms: 0, kind: "member-left", user: "u_x" };
  });
  return { type: "deliver", conversation: group, from_seq: from, entries };
}

async function settled(): Promise<void> {
  for (let n = 0; n < 10; n += 1) await Promise.resolve();
}
