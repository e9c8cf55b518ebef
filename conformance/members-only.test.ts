import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ConversationId, Entry, HttpAnswer } from "@tidings/protocol";
import { RawSocket } from "./src/raw-socket.ts";
import { expectProblem, serveTests, type TestUser } from "./src/tidings-process.ts";

/**
 * Nobody reads or writes where he has no right to (G7). What somebody does not get is looked for behind something that he does get,
 * or after it was shown that he could get it.
 */
const tidings = serveTests({
  flags: ["--messages-per-second", "100000", "--messages-burst", "100000", "--requests-per-second", "10000"],
});

let owner: TestUser;
let member: TestUser;
let group: ConversationId;
let ownerSocket: RawSocket;
let memberSocket: RawSocket;
let messages = 0;

beforeEach(async () => {
  [owner, member] = [await tidings().user(), await tidings().user()];
  group = await tidings().group(owner, member);
  ownerSocket = await connect(owner);
  memberSocket = await connect(member);
});
afterEach(() => {
  ownerSocket.destroy();
  memberSocket.destroy();
});

async function connect(user: TestUser, have: Readonly<Record<string, number>> = {}): Promise<RawSocket> {
  const socket = await RawSocket.open(tidings().port);
  await socket.hello(user.token, have);
  await socket.next("synced");
  return socket;
}

/** Sends, and waits for the acknowledgement. */
async function say(socket: RawSocket, text = "hello"): Promise<number> {
  messages += 1;
  socket.send({ type: "send", conversation: group, message_id: `m-${messages}`, text });
  return (await socket.next("ack")).seq ?? 0;
}

/** What was pushed, up to an entry. */
async function pushedUpTo(socket: RawSocket, seq: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  while ((entries.at(-1)?.seq ?? 0) < seq) entries.push(...(await socket.next("deliver")).entries);
  return entries;
}

const sync = (user: TestUser, have: Record<string, number>) =>
  tidings().ask<HttpAnswer<"sync">>(user, "POST /v1/sync", { have });
const page = (user: TestUser, query = "") =>
  tidings().ask<HttpAnswer<"entries">>(user, `GET /v1/conversations/${group}/entries${query}`);
const send = (user: TestUser) => {
  messages += 1;
  const body = { message_id: `m-${messages}`, text: "from outside" };
  return tidings().request(user, `POST /v1/conversations/${group}/messages`, { body });
};

describe("who never was a member (G7)", () => {
  test("of a public group can neither write nor read there, but join", async () => {
    const stranger = await tidings().user();
    const socket = await connect(stranger, { [group]: 0 });
    const seq = await say(ownerSocket, "among us");
    await pushedUpTo(memberSocket, seq);

    expectProblem(await send(stranger), "not-a-member");
    socket.send({ type: "send", conversation: group, message_id: "m", text: "hi" });
    await socket.expectError("not-a-member", { message_id: "m" });
    for (const line of ["", "/entries", "/entries?after=0", "/entries?before=100"]) {
      expectProblem(await tidings().request(stranger, `GET /v1/conversations/${group}${line}`), "not-a-member");
    }
    expectProblem(
      await tidings().request(stranger, `PUT /v1/conversations/${group}/read`, { body: { seq: 1 } }),
      "not-a-member",
    );
    expect((await sync(stranger, { [group]: 0 })).conversations).toEqual([]);
    socket.send({ type: "sync", request: 1, have: { [group]: 0 } });
    expect((await socket.next("synced")).conversations).toEqual([]);

    await tidings().ask(stranger, `POST /v1/groups/${group}/join`);
    const { state } = await socket.next("joined");
    const [first] = await pushedUpTo(socket, state.joined_seq);
    expect(first).toMatchObject({ seq: state.joined_seq, kind: "member-joined", user: stranger.id });
    socket.destroy();
  });

  test("of a private group learns not even that it exists", async () => {
    const stranger = await tidings().user();
    await tidings().ask(owner, `PATCH /v1/groups/${group}`, { visibility: "private" });
    expectProblem(await send(stranger), "conversation-not-found");
    for (const line of [
      `GET /v1/groups/${group}`,
      `GET /v1/groups/${group}/members`,
      `GET /v1/conversations/${group}`,
      `GET /v1/conversations/${group}/entries`,
      `POST /v1/groups/${group}/leave`,
      `PUT /v1/groups/${group}/bans/${owner.id}`,
    ]) {
      const ofThisGroup = await tidings().request(stranger, line);
      const ofNone = await tidings().request(stranger, line.replace(group, "g_nowhere"));
      expect([line, ofThisGroup.status, ofThisGroup.json]).toEqual([line, ofNone.status, ofNone.json]);
    }
    expectProblem(await tidings().request(stranger, `GET /v1/groups/${group}`), "conversation-not-found");
  });

  test("of a direct conversation can neither write nor read there", async () => {
    const stranger = await tidings().user();
    const body = { message_id: "d-1", text: "between us" };
    const { conversation } = await tidings().ask<{ conversation: string }>(
      owner,
      `POST /v1/users/${member.id}/messages`,
      body,
    );
    for (const line of [`GET /v1/conversations/${conversation}/entries`, `GET /v1/conversations/${conversation}`]) {
      expect((await tidings().request(member, line)).status).toBe(200);
      expectProblem(await tidings().request(stranger, line), "conversation-not-found");
    }
    const answer = await tidings().request(stranger, `POST /v1/conversations/${conversation}/messages`, { body });
    expectProblem(answer, "conversation-not-found");
    expect((await sync(stranger, { [conversation]: 0 })).conversations).toEqual([]);
  });
});

describe.each([
  ["removed", "DELETE", "members"],
  ["banned", "PUT", "bans"],
] as const)("who was %s (G7)", (reason, method, list) => {
  const remove = () => tidings().ask(owner, `${method} /v1/groups/${group}/${list}/${member.id}`);

  test("is cut off at once, everywhere, and keeps what he could read before", async () => {
    const before = await say(ownerSocket, "with him");
    expect((await pushedUpTo(memberSocket, before)).at(-1)).toMatchObject({ text: "with him" });
    const longPoll = tidings().ask<HttpAnswer<"sync">>(member, "POST /v1/sync", {
      have: { [group]: before },
      wait_ms: 20_000,
    });
    await expect.poll(() => tidings().metric("tidings_waiting_polls")).toBe(1);

    await remove();
    const removal = before + 1;
    const after = await say(ownerSocket, "without him");
    expect((await pushedUpTo(ownerSocket, after)).at(-1)).toMatchObject({ text: "without him" });
    expect(await memberSocket.next("ended")).toMatchObject({ conversation: group, last_seq: removal, reason });

    const left = [{ conversation: group, status: "ended", last_seq: removal, head: removal }];
    expect((await longPoll).conversations).toMatchObject(left);
    for (const cursor of [0, before, removal, after, 1_000]) {
      const { conversations } = await sync(member, { [group]: cursor });
      expect(conversations).toMatchObject(left);
      expect(Math.max(0, ...(conversations[0]?.entries ?? []).map(({ seq }) => seq))).toBeLessThanOrEqual(removal);
    }
    for (const query of ["", "?after=0", `?after=${before}`, `?before=${after + 1}`, `?after=${removal}`]) {
      const { entries, head } = await page(member, query);
      expect(Math.max(0, ...entries.map(({ seq }) => seq))).toBeLessThanOrEqual(removal);
      expect(head).toBe(removal);
    }
    expect(await page(member, `?after=${removal}`)).toMatchObject({ entries: [] });
    const again = await connect(member, { [group]: 0 });
    expect((await pushedUpTo(again, removal)).at(-1)?.seq).toBe(removal);

    for (const socket of [memberSocket, again]) {
      socket.send({ type: "send", conversation: group, message_id: "later", text: "am I here?" });
      await socket.expectError("not-a-member", { message_id: "later" });
      socket.send({ type: "sync", request: 9, have: { [group]: 0 } });
      expect(await socket.next("synced")).toMatchObject({ request: 9, conversations: left });
      const seqs = socket.frames
        .flatMap((frame) => (frame.type === "deliver" ? frame.entries : []))
        .map(({ seq }) => seq);
      expect(Math.max(0, ...seqs)).toBeLessThanOrEqual(removal);
    }
    again.destroy();
    expectProblem(await send(member), "not-a-member");
    const state = await tidings().ask<HttpAnswer<"conversations">>(member, "GET /v1/conversations");
    expect(state.items).toEqual([]);
  });

  test("gets nothing that was sequenced after that, however fast it comes", async () => {
    for (let round = 1; round <= 10; round += 1) {
      const talking = Array.from({ length: 100 }, (_, n) => {
        messages += 1;
        const message_id = `r-${messages}`;
        ownerSocket.send({ type: "send", conversation: group, message_id, text: `${round}.${n}`, turn: undefined });
        return message_id;
      });
      const removed = remove();
      const syncing = Array.from({ length: 5 }, () => sync(member, { [group]: 0 }));
      const { last_seq } = await memberSocket.next("ended");
      await removed;
      for (const _ of talking) await ownerSocket.next("ack");
      const { entries } = await page(owner, `?after=${last_seq - 1}&limit=1`);
      expect(entries[0]).toMatchObject({ kind: "member-removed", user: member.id, seq: last_seq });

      memberSocket.send({ type: "sync", request: round, have: { [group]: 0 } });
      while ((await memberSocket.next("synced")).request !== round);
      const pushed = memberSocket.frames.splice(0).flatMap((frame) => (frame.type === "deliver" ? frame.entries : []));
      const polled = (await Promise.all(syncing)).flatMap(({ conversations }) =>
        conversations.flatMap((one) => one.entries),
      );
      for (const { seq } of [...pushed, ...polled]) expect(seq).toBeLessThanOrEqual(last_seq);

      if (reason === "banned") await tidings().ask(owner, `DELETE /v1/groups/${group}/bans/${member.id}`);
      await tidings().ask(member, `POST /v1/groups/${group}/join`);
      await memberSocket.next("joined");
    }
  });
});

test("who was banned can come back neither by joining nor by an invitation, until the ban is lifted (G7)", async () => {
  const { code } = await tidings().ask<{ code: string }>(owner, `POST /v1/groups/${group}/invites`, {});
  await tidings().ask(owner, `PUT /v1/groups/${group}/bans/${member.id}`);
  expectProblem(await tidings().request(member, `POST /v1/groups/${group}/join`), "banned");
  expectProblem(await tidings().request(member, "POST /v1/invites/accept", { body: { code } }), "banned");
  await tidings().ask(owner, `DELETE /v1/groups/${group}/bans/${member.id}`);
  expect((await tidings().request(member, "POST /v1/invites/accept", { body: { code } })).status).toBe(200);
});

test("a member without the role can remove nobody, and make nobody anything", async () => {
  const third = await tidings().user();
  await tidings().ask(third, `POST /v1/groups/${group}/join`);
  for (const [line, body] of [
    [`DELETE /v1/groups/${group}/members/${third.id}`],
    [`PUT /v1/groups/${group}/bans/${owner.id}`],
    [`PATCH /v1/groups/${group}/members/${member.id}`, { role: "owner" }],
    [`PATCH /v1/groups/${group}`, { name: "Mine" }],
    [`GET /v1/groups/${group}/bans`],
  ] as const) {
    expectProblem(await tidings().request(member, line, body === undefined ? {} : { body }), "role-required");
  }
});
