import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConversationId, HttpAnswer, MessageEntry } from "@tidings/protocol";
import { RawSocket } from "./src/raw-socket.ts";
import { Tidings, type TestUser } from "./src/tidings-process.ts";

/**
 * The server is killed in the middle of streams of messages, again and again on the same data. The senders send ahead, each in two
 * groups, and know exactly what was acknowledged.
 */
const rounds = 6;
const sendersCount = 4;

let tidings: Tidings;
let senders: TestUser[];
let groups: ConversationId[];

beforeAll(async () => {
  tidings = await Tidings.start({ flags: ["--messages-per-second", "1000000", "--messages-burst", "1000000"] });
  senders = await Promise.all(Array.from({ length: sendersCount }, () => tidings.user()));
  const [first, ...others] = senders as [TestUser, ...TestUser[]];
  groups = [await tidings.group(first, ...others), await tidings.group(first, ...others)];
});
afterAll(() => tidings.close());

type Sent = {
  readonly sender: TestUser;
  readonly conversation: ConversationId;
  readonly message_id: string;
  readonly text: string;
  seq?: number;
};

async function connect(sender: TestUser): Promise<RawSocket> {
  const socket = await RawSocket.open(tidings.port);
  await socket.hello(sender.token);
  return socket;
}

/** Sends ahead, without an end, until the connection is lost; answers with everything that was sent. */
async function stream(sender: TestUser, on: { socket: RawSocket; round: number; onAck: () => void }): Promise<Sent[]> {
  const { socket, round, onAck } = on;
  const sent: Sent[] = [];
  const sendOne = (): void => {
    const turn = sent.length + 1;
    const conversation = groups[turn % groups.length] as ConversationId;
    const message_id = `${round}-${turn}`;
    const message = { sender, conversation, message_id, text: `message ${message_id} of ${sender.name}` };
    sent.push(message);
    socket.send({ type: "send", conversation, message_id, text: message.text, turn });
  };
  const read = async (): Promise<void> => {
    for (;;) {
      const ack = await socket.next("ack");
      const message = sent[(ack.turn ?? 0) - 1] as Sent;
      expect(ack.message_id).toBe(message.message_id);
      message.seq = ack.seq ?? 0;
      onAck();
      sendOne();
    }
  };
  for (let n = 0; n < 64; n += 1) sendOne();
  const ended = read();
  // That it ends is what is meant to happen; anything else than the end of the connection is not.
  await expect(ended).rejects.toThrow("The connection ended (1006)");
  return sent;
}

async function readAll(user: TestUser, conversation: ConversationId): Promise<MessageEntry[]> {
  const all: MessageEntry[] = [];
  for (let cursor = 0; ; ) {
    const page = await tidings.ask<HttpAnswer<"entries">>(
      user,
      `GET /v1/conversations/${conversation}/entries?after=${cursor}&limit=200`,
    );
    for (const entry of page.entries) {
      expect(entry.seq).toBe(cursor + 1);
      cursor = entry.seq;
      if (entry.kind === "message") all.push(entry);
    }
    if (cursor === page.head) return all;
  }
}

test("what was acknowledged is there once, dense and in sender order, after every SIGKILL (G1, G2, G3, G4)", async () => {
  const sent: Sent[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    // The moment is drawn as a number of acknowledgements, so that there is always a stream to fall into.
    let acksLeft = 1 + Math.floor(Math.random() * 1_000);
    const killed = Promise.withResolvers<void>();
    const onAck = (): void => {
      acksLeft -= 1;
      if (acksLeft === 0) tidings.kill().then(killed.resolve, killed.reject);
    };
    // Everybody is welcomed before anybody sends: the kill belongs to the streams, not to a hello.
    const sockets = await Promise.all(senders.map(connect));
    const streams = await Promise.all(
      senders.map((sender, index) => stream(sender, { socket: sockets[index] as RawSocket, round, onAck })),
    );
    await killed.promise;
    sent.push(...streams.flat());
    await tidings.startAgain();
    await expectKept(sent);
  }
  const acked = sent.filter(({ seq }) => seq !== undefined);
  console.log(`${rounds} kills: ${sent.length} sent, ${acked.length} acknowledged, all of these kept.`);
  await expectRetriesAnswered(sent);
}, 60_000);

/** Acknowledged ones are where they were acknowledged; others are there at most once; all in the order of their senders. */
async function expectKept(sent: readonly Sent[]): Promise<void> {
  const reader = senders[0] as TestUser;
  for (const conversation of groups) {
    const entries = await readAll(reader, conversation);
    const seqOf = new Map(entries.map((entry) => [`${entry.sender} ${entry.message_id}`, entry.seq]));
    expect(seqOf.size).toBe(entries.length);
    const textAt = new Map(entries.map(({ seq, text }) => [seq, text]));
    for (const sender of senders) {
      let before = 0;
      const own = sent.filter((one) => one.sender === sender && one.conversation === conversation);
      for (const { message_id, text, seq } of own) {
        const found = seqOf.get(`${sender.id} ${message_id}`);
        if (seq !== undefined) expect([text, found]).toEqual([text, seq]);
        if (found === undefined) continue;
        expect(textAt.get(found)).toBe(text);
        expect(found).toBeGreaterThan(before);
        before = found;
      }
    }
  }
}

/** Everything is sent again, with the ids that it had: what was stored keeps its place, what was not is stored now, nothing twice. */
async function expectRetriesAnswered(sent: readonly Sent[]): Promise<void> {
  await Promise.all(
    senders.map(async (sender) => {
      const socket = await RawSocket.open(tidings.port);
      await socket.hello(sender.token);
      const own = sent.filter((one) => one.sender === sender);
      let next = 0;
      const sendNext = (): void => {
        const message = own[next];
        if (message === undefined) return;
        next += 1;
        const { conversation, message_id, text } = message;
        socket.send({ type: "send", conversation, message_id, text, turn: next });
      };
      for (let n = 0; n < 100; n += 1) sendNext();
      for (let answers = 0; answers < own.length; answers += 1) {
        const { message_id, seq, turn = 0 } = await socket.next("ack");
        const message = own[turn - 1] as Sent;
        expect(message_id).toBe(message.message_id);
        if (message.seq !== undefined) expect([message_id, seq]).toEqual([message_id, message.seq]);
        message.seq = seq ?? 0;
        sendNext();
      }
      socket.destroy();
    }),
  );
  await expectKept(sent.toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0)));
  const stored = await Promise.all(groups.map((group) => readAll(senders[0] as TestUser, group)));
  expect(stored.flat()).toHaveLength(sent.length);
}
