import { expect, test } from "vitest";
import { createClient, type TidingsClient, type TransportName } from "@tidings/client";
import type { ConversationId, Entry, HttpAnswer } from "@tidings/protocol";
import { serveTests, type TestUser } from "./src/tidings-process.ts";

const tidings = serveTests({
  flags: ["--poll-after-ms", "50", "--requests-per-second", "10000", "--requests-burst", "10000"],
});
const transports: readonly TransportName[] = ["ws", "longpoll", "poll"];

/** A client that keeps what it was given, in the order in which it got it. */
class Receiver {
  readonly entries: Entry[] = [];
  readonly client: TidingsClient;
  #waiting: (() => void) | undefined;

  constructor(user: TestUser, options: { transport: TransportName; conversation: ConversationId; have?: number }) {
    const { transport, conversation, have } = options;
    this.client = createClient({
      url: tidings().url,
      token: user.token,
      transport,
      unknown: "everything",
      ...(have === undefined ? {} : { have: { [conversation]: have } }),
      onEvent: (event) => {
        if (event.type === "anomaly") throw new Error(`${event.kind}: ${event.detail}`);
        if (event.type !== "entries" || event.conversation !== conversation) return;
        this.entries.push(...event.entries);
        this.#waiting?.();
      },
    });
    this.client.start();
  }

  async until(seq: number): Promise<void> {
    while ((this.entries.at(-1)?.seq ?? 0) < seq) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }
}

async function history(user: TestUser, conversation: ConversationId): Promise<Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const line = `GET /v1/conversations/${conversation}/entries?after=${all.at(-1)?.seq ?? 0}&limit=50`;
    const { entries, head, first_seq } = await tidings().ask<HttpAnswer<"entries">>(user, line);
    all.push(...entries);
    if ((all.at(-1)?.seq ?? first_seq - 1) >= head) return all;
  }
}

test("the three transports, from the beginning or from the middle, and the history give the same entries (G3, G5, G6)", async () => {
  const [owner, guest, late] = [await tidings().user(), await tidings().user(), await tidings().user()];
  const readers = await Promise.all(transports.map(() => tidings().user()));
  const group = await tidings().group(owner, guest, ...readers);
  const fromStart = readers.map(
    (user, n) => new Receiver(user, { transport: transports[n] ?? "ws", conversation: group }),
  );

  // Every kind of entry, while everybody receives.
  const sender = createClient({ url: tidings().url, token: owner.token });
  sender.start();
  const say = (count: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: count }, (_, n) =>
        sender.send(
          { conversation: group },
          {
            text: `message ${n} \u{1f30a} ${"x".repeat((n * 37) % 2_000)}`,
            ...(n % 3 === 0 ? { mentions: [guest.id] } : {}),
            ...(n % 5 === 0 ? { metadata: { n, nested: { list: [1, "two", null] } } } : {}),
          },
        ),
      ),
    );
  await say(40);
  await tidings().ask(owner, `PATCH /v1/groups/${group}`, { name: "Renamed", description: "All about transports" });
  await tidings().ask(owner, `PATCH /v1/groups/${group}/members/${guest.id}`, { role: "admin" });
  const talking = say(120);
  await tidings().ask(late, `POST /v1/groups/${group}/join`);
  await tidings().ask(guest, `POST /v1/groups/${group}/leave`);
  await tidings().ask(owner, `DELETE /v1/groups/${group}/members/${late.id}`);
  await talking;
  await tidings().ask(owner, `PUT /v1/groups/${group}/bans/${late.id}`);
  await tidings().ask(owner, `DELETE /v1/groups/${group}/bans/${late.id}`);

  const { head } = await tidings().ask<HttpAnswer<"conversation">>(owner, `GET /v1/conversations/${group}`);
  const expected = await history(owner, group);
  expect(expected.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, n) => n + 1));
  expect(new Set(expected.map(({ kind }) => kind))).toEqual(
    new Set(["message", "member-joined", "member-left", "member-removed", "group-changed"]),
  );
  const middle = Math.floor(head / 2);
  const fromMiddle = readers.map(
    (user, n) => new Receiver(user, { transport: transports[n] ?? "ws", conversation: group, have: middle }),
  );
  await Promise.all([...fromStart, ...fromMiddle].map((receiver) => receiver.until(head)));
  for (const [n, transport] of transports.entries()) {
    expect([transport, fromStart[n]?.entries]).toEqual([transport, expected]);
    expect([transport, fromMiddle[n]?.entries]).toEqual([transport, expected.slice(middle)]);
  }
  await Promise.all(
    [sender, ...[...fromStart, ...fromMiddle].map(({ client }) => client)].map((client) => client.stop()),
  );
});

test("who may read only what came since he joined gets the same of it over each transport (G6, G7)", async () => {
  const owner = await tidings().user();
  const readers = await Promise.all(transports.map(() => tidings().user()));
  const settings = { name: "Since", visibility: "public", history: "since-join" };
  const { conversation } = await tidings().ask<HttpAnswer<"createGroup">>(owner, "POST /v1/groups", settings);
  const path = `/v1/conversations/${conversation}/messages`;
  await tidings().ask(owner, `POST ${path}`, { message_id: "before", text: "before" });
  for (const user of readers) await tidings().ask(user, `POST /v1/groups/${conversation}/join`);
  await tidings().ask(owner, `POST ${path}`, { message_id: "after", text: "after" });

  for (const [n, user] of readers.entries()) {
    const transport = transports[n] ?? "ws";
    const receiver = new Receiver(user, { transport, conversation });
    const expected = await history(user, conversation);
    expect(expected[0]).toMatchObject({ kind: "member-joined", user: user.id });
    await receiver.until(expected.at(-1)?.seq ?? 0);
    expect([transport, receiver.entries]).toEqual([transport, expected]);
    await receiver.client.stop();
  }
});
