import { type ConversationId, type Entry, type HttpAnswer, type MessageId, TidingsError } from "@tidings/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createApi, type TidingsApi } from "./api.ts";
import { createClient } from "./client.ts";
import { ServerProcess } from "./testing/server-process.ts";
import type { ClientEvent, ClientOptions, TidingsClient, TransportName } from "./types.ts";

/** The client against the real server over the SQLite engine, each a process of its own. */

type Account = HttpAnswer<"createAccount"> & { readonly api: TidingsApi };

let server: ServerProcess;
let accounts = 0;
const clients: TidingsClient[] = [];

beforeAll(async () => {
  server = await ServerProcess.start([
    "--drain-ms=200",
    "--poll-after-ms=50",
    "--messages-per-second=200",
    "--log-level=error",
  ]);
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.stop()));
});

afterAll(async () => {
  await server.remove();
});

describe.each(["ws", "longpoll", "poll"] as const)("over %s", (transport) => {
  test("what one sends, the other gets, in order and once, though the server is killed three times (G1 – G6)", async () => {
    const [ada, bob] = [await signUp(), await signUp()];
    const group = await newGroup(ada, bob);
    const [from, to] = [follow(ada, transport), follow(bob, transport)];
    await Promise.all([from.client.whenLive(), to.client.whenLive()]);

    const sends: Promise<{ message_id: MessageId; seq?: number }>[] = [];
    for (let round = 0; round < 4; round += 1) {
      for (let n = 0; n < 15; n += 1) {
        sends.push(from.client.send({ conversation: group }, { text: `message ${sends.length}` }));
      }
      // Some are acknowledged, some are on their way, some wait.
      await sends[round * 15 + 4];
      if (round === 3) break;
      await server.kill();
      await server.startAgain();
    }
    const sent = await Promise.all(sends);
    const last = Math.max(...sent.map(({ seq }) => seq ?? 0));
    await Promise.all([from.reached(group, last), to.reached(group, last)]);

    for (const { texts, anomalies } of [from, to]) {
      expect(texts(group)).toEqual(sent.map((_, index) => `message ${index}`));
      expect(anomalies).toEqual([]);
    }
    expect(to.entries(group)).toEqual(from.entries(group).slice(1));
  }, 60_000);

  test("a direct message makes the conversation for both, and mentions notify", async () => {
    const [ada, bob] = [await signUp(), await signUp()];
    const [from, to] = [follow(ada, transport), follow(bob, transport)];
    await Promise.all([from.client.whenLive(), to.client.whenLive()]);
    const sent = await from.client.send({ to: bob.user.user_id }, { text: "hello", mentions: [bob.user.user_id] });
    await Promise.all([from.reached(sent.conversation, 1), to.reached(sent.conversation, 1)]);
    expect(to.texts(sent.conversation)).toEqual(["hello"]);
    await to.until((event) => event.type === "notifications", "a notification");
    expect(to.client.notified).toBe(1);
  });

  test("who comes back gets what he missed, from where he stopped", async () => {
    const [ada, bob] = [await signUp(), await signUp()];
    const group = await newGroup(ada, bob);
    const first = follow(bob, transport);
    await first.client.whenLive();
    await first.client.stop();
    const writer = follow(ada, transport);
    for (let n = 0; n < 5; n += 1) await writer.client.send({ conversation: group }, { text: `missed ${n}` });
    const second = follow(bob, transport, { have: first.client.cursors() });
    await second.client.sync();
    expect(second.texts(group)).toEqual([0, 1, 2, 3, 4].map((n) => `missed ${n}`));
  });

  test("a removed member is told after his last entry, and gets nothing more (G7)", async () => {
    const [ada, bob] = [await signUp(), await signUp()];
    const group = await newGroup(ada, bob);
    const [from, to] = [follow(ada, transport), follow(bob, transport)];
    await Promise.all([from.client.whenLive(), to.client.whenLive()]);
    const removed = to.until((event) => event.type === "ended", "the end");
    await ada.api.call("removeMember", { params: { conversation: group, user_id: bob.user.user_id } });
    await removed;
    expect(to.events.at(-1)).not.toMatchObject({ type: "entries" });
    expect(to.entries(group).at(-1)).toMatchObject({ kind: "member-removed", user: bob.user.user_id });
    expect(to.events.find(({ type }) => type === "ended")).toMatchObject({ conversation: group, reason: "removed" });
    await expect(to.client.send({ conversation: group }, { text: "still here" })).rejects.toMatchObject({
      code: "not-a-member",
    });
  });

  test("a revoked token ends the client with the error", async () => {
    const ada = await signUp();
    const { client } = follow(ada, transport);
    await client.whenLive();
    await ada.api.call("revokeToken", { params: { token_id: ada.token_id } });
    await expect(client.sync()).rejects.toBeInstanceOf(TidingsError);
    expect(client.state).toBe("stopped");
  });
});

test("a server that drains hands its sessions over without a loss (G11)", async () => {
  const [ada, bob] = [await signUp(), await signUp()];
  const group = await newGroup(ada, bob);
  const [from, to] = [follow(ada, "ws"), follow(bob, "ws")];
  await Promise.all([from.client.whenLive(), to.client.whenLive()]);
  await from.client.send({ conversation: group }, { text: "before" });
  await server.terminate();
  const after = from.client.send({ conversation: group }, { text: "after" });
  await server.startAgain();
  const { seq = 0 } = await after;
  await to.reached(group, seq);
  expect(to.texts(group)).toEqual(["before", "after"]);
}, 60_000);

test("a sender at its limit is slowed down, and its order stays (G4, G8)", async () => {
  const [ada, bob] = [await signUp(), await signUp()];
  const group = await newGroup(ada, bob);
  const { client, texts, reached } = follow(ada, "ws");
  const sends = Array.from({ length: 400 }, (_, n) => client.send({ conversation: group }, { text: `${n}` }));
  const sent = await Promise.all(sends);
  await reached(group, sent.at(-1)?.seq ?? 0);
  expect(texts(group)).toEqual(sent.map((_, n) => `${n}`));
});

async function signUp(): Promise<Account> {
  accounts += 1;
  const body = { name: `user${accounts}`, password: "correct horse" };
  const account = await createApi({ url: server.url }).call("createAccount", { body });
  return { ...account, api: createApi({ url: server.url, token: account.token }) };
}

/** A group of the two. */
async function newGroup(ada: Account, bob: Account): Promise<ConversationId> {
  const { conversation } = await ada.api.call("createGroup", { body: { name: "Group", visibility: "public" } });
  await bob.api.call("joinGroup", { params: { conversation } });
  return conversation;
}

/** A client that is started, and everything that it says. */
function follow({ token }: Account, transport: TransportName, options: Partial<ClientOptions> = {}) {
  const events: ClientEvent[] = [];
  const waiting = new Set<() => void>();
  const client = createClient({
    url: server.url,
    token,
    transport,
    unknown: "since-join",
    ...options,
    onEvent: (event) => {
      events.push(event);
      for (const look of waiting) look();
    },
  });
  clients.push(client);
  client.start();

  const entries = (conversation: ConversationId): Entry[] =>
    events.flatMap((event) => (event.type === "entries" && event.conversation === conversation ? event.entries : []));
  const until = (wanted: (event: ClientEvent) => boolean, what: string) =>
    settles(what, () => events.some(wanted), waiting);
  return {
    client,
    events,
    entries,
    until,
    texts: (conversation: ConversationId) =>
      entries(conversation).flatMap((entry) => (entry.kind === "message" ? [entry.text] : [])),
    reached: (conversation: ConversationId, seq: number) =>
      settles(`entry ${seq}`, () => (client.cursors()[conversation] ?? 0) >= seq, waiting),
    get anomalies() {
      return events.filter(({ type }) => type === "anomaly");
    },
  };
}

/** Resolves when it holds; looks after each event. */
function settles(what: string, holds: () => boolean, waiting: Set<() => void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      waiting.delete(look);
    };
    const look = () => {
      if (!holds()) return;
      done();
      resolve();
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error(`Waited in vain for ${what}.`));
    }, 15_000);
    waiting.add(look);
    look();
  });
}
