import {
  asMessageId,
  asSeq,
  type ConversationId,
  explainPath,
  type ExplainRequest,
  type Explanation,
  subprotocol,
} from "@tidings/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type HttpRig, openHttpRig, type Person, problemOf } from "../testing/http-rig.ts";
import { TestSocket } from "../testing/receive-rig.ts";

/** The embedded server, whole and running: its pipeline explains itself too. */

let rig: HttpRig;
let url: string;
let people: Record<"ann" | "ben" | "cat", Person>;
let room: ConversationId;
const sockets: TestSocket[] = [];

beforeEach(async () => {
  const rates = ["--messages-per-second=100000", "--messages-burst=100000", "--slow-session-bytes=16384"];
  rig = await openHttpRig({ flags: ["--port", "0", ...rates] });
  ({ url } = await rig.tidings.start());
  people = await rig.addPeople("ann", "ben", "cat");
  room = await rig.createGroup(people.ann, { visibility: "public" });
  await rig.call("joinGroup", { token: people.ben.token, params: { conversation: room } });
});
afterEach(async () => {
  for (const { webSocket } of sockets.splice(0)) webSocket.terminate();
  await rig.tidings.stop();
});

const name = asMessageId("m1");

const say = (text: string, message = name, mentions: Person[] = []) =>
  rig.call("sendMessage", {
    token: people.ann.token,
    params: { conversation: room },
    body: { message_id: message, text, mentions: mentions.map(({ user }) => user.user_id) },
  });

const ask = (body: object, from: { remoteAddress?: string; headers?: Record<string, string> } = {}) =>
  rig.app.inject({ method: "POST", url: explainPath, remoteAddress: "127.0.0.1", ...from, payload: body });

async function explain(about: Partial<ExplainRequest> = {}): Promise<Explanation> {
  const reply = await ask({ user: "ben", ...(about.seq === undefined && { message: name }), ...about });
  if (reply.statusCode !== 200) throw new Error(reply.body);
  return reply.json<Explanation>();
}

const codeOf = async (about: Partial<ExplainRequest> = {}): Promise<string> => (await explain(about)).conclusion.code;

async function connect({ token }: Person): Promise<TestSocket> {
  const webSocket = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, subprotocol);
  const socket = new TestSocket(webSocket);
  sockets.push(socket);
  await new Promise((resolve, reject) => webSocket.once("open", resolve).once("error", reject));
  socket.send({ type: "hello", token, have: {} });
  await socket.next("welcome");
  return socket;
}

describe("an embedded server explains", () => {
  it("what was written to a socket, and by which way it came there", async () => {
    const socket = await connect(people.ben);
    const { seq = asSeq(0) } = await say("a secret text");
    await socket.until(room, seq);
    const explained = await explain();
    expect(explained).toMatchObject({ conversation: room, seq, sender: people.ann.user.user_id, message_id: name });
    expect(explained.conclusion.code).toBe("written");
    expect(explained.facts.map(({ fact }) => fact)).toEqual([
      "stored",
      "membership",
      "routed",
      "connected",
      "arrived",
      "written",
      "session",
      "notify-mode",
    ]);
    expect(JSON.stringify(explained)).not.toContain("secret");
    socket.webSocket.close();
    await socket.closed;
    while ((await explain()).facts.every(({ fact }) => fact !== "session-ended")) await rig.clock.sleep(1);
    expect(await codeOf({ conversation: room, seq })).toBe("written");
  });

  it("what was fetched, and what waits for somebody who is not there", async () => {
    await say("hello");
    expect(await codeOf()).toBe("no-session");
    await rig.call("sync", { token: people.ben.token, body: { have: { [room]: asSeq(1) } } });
    expect(await codeOf()).toBe("fetched");
  });

  it("what a socket that is not read does not get", async () => {
    const socket = await connect(people.ben);
    socket.webSocket.pause();
    let sent = 0;
    let last: Explanation;
    do {
      await Promise.all(Array.from({ length: 50 }, () => say("x".repeat(16_000), asMessageId(`s${sent++}`))));
      expect(sent).toBeLessThan(20_000);
      last = await explain({ message: asMessageId(`s${sent - 1}`) });
    } while (last.conclusion.code !== "downgraded");
    expect(last.conclusion.sentence).toMatch(/bytes are unsent/);
  }, 60_000);

  it("what was never said, and what is not for him", async () => {
    await say("hello");
    expect(await codeOf({ message: asMessageId("m2") })).toBe("not-found");
    expect(await codeOf({ message: asMessageId("m2"), conversation: room, sender: "ann" })).toBe("not-accepted");
    expect(await codeOf({ user: "cat", sender: "ann" })).toBe("never-member");
    await rig.call("joinGroup", { token: people.cat.token, params: { conversation: room } });
    expect(await codeOf({ user: "cat" })).toBe("in-history");
    await rig.call("leaveGroup", { token: people.ben.token, params: { conversation: room } });
    expect(await codeOf({ sender: "ann" })).toBe("former-member");
    await say("he is gone", asMessageId("m3"));
    expect(await codeOf({ message: asMessageId("m3"), sender: "ann" })).toBe("left-before");
  });

  it("whether somebody was notified", async () => {
    await say("hello @ben", name, [people.ben]);
    while ((await explain()).notification?.code === "not-notified-yet") await rig.clock.sleep(1);
    expect((await explain()).notification?.code).toBe("notified");
    await say("hello", asMessageId("m2"));
    expect((await explain({ message: asMessageId("m2") })).notification?.code).toBe("not-mentioned");
    expect((await explain({ user: "ann" })).notification?.code).toBe("own-message");
  });

  it("stores nothing by looking", async () => {
    const before = await rig.stores.feed.positions();
    await explain({ conversation: room, sender: "ann" });
    expect((await rig.stores.feed.positions()).newest).toBe(before.newest);
  });
});

describe("an explanation", () => {
  it("is for whoever is on the server's machine, and for nobody else", async () => {
    const about = { user: "ben", message: name };
    expect((await ask(about)).statusCode).toBe(200);
    const others = [
      { remoteAddress: "192.0.2.7" },
      { headers: { "x-forwarded-for": "127.0.0.1" } },
      { headers: { origin: url } },
    ];
    for (const from of others) expect(problemOf(await ask(about, from)).code).toBe("not-found");
    const page = { headers: { origin: "https://elsewhere.example" } };
    expect(problemOf(await ask(about, page)).code).toBe("origin-not-allowed");
  });

  it("is refused to a question that is none", async () => {
    const bad = [
      {},
      { user: "ben" },
      { user: "ben", seq: 1 },
      { user: "ben", message: "m 1" },
      { user: "ben", message: "m", x: 1 },
    ];
    for (const body of bad) expect(problemOf(await ask(body)).code).toBe("invalid-request");
    expect(problemOf(await ask({ user: "nobody", message: name })).code).toBe("user-not-found");
  });
});
