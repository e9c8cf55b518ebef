import { beforeEach, describe, expect, it } from "vitest";
import {
  asConversationId,
  asMessageId,
  asSeq,
  asUserId,
  type ConversationId,
  directConversationId,
  limits,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import {
  createManualClock,
  encodeDraft,
  type GroupEntryBody,
  membershipChangesOfBodies,
  type Stores,
} from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import type { AccessService } from "../services.ts";
import { createAccessService } from "./access-service.ts";
import { createGroupChanges } from "./group-changes.ts";

const room = asConversationId("g_room");
const [ann, ben, cat] = ["ann", "ben", "cat"].map(asUserId) as [UserId, UserId, UserId];

const clock = createManualClock();
let stores: Stores;
let access: AccessService;
/** How often each method of a store was called. */
let calls: Map<string, number>;

beforeEach(async () => {
  calls = new Map();
  stores = counted(createMemoryStores(), calls);
  access = createAccessService({ stores, clock });
  await change(room, [
    { kind: "group-changed", by: ann, name: "Room", description: "", visibility: "public", history: "everything" },
    { kind: "member-joined", user: ann, role: "owner", via: "creation" },
    { kind: "member-joined", user: ben, role: "member", via: "join" },
  ]);
});

const left = (user: UserId): GroupEntryBody => ({ kind: "member-left", user });
const joined = (user: UserId): GroupEntryBody => ({ kind: "member-joined", user, role: "member", via: "join" });

/** Appends without telling anybody: what a crash leaves behind. */
async function appendOnly(conversation: ConversationId, bodies: readonly GroupEntryBody[]) {
  const outcome = await stores.messages.append({ conversation, drafts: bodies.map((body) => encodeDraft(body, 0)) });
  if (outcome.outcome !== "appended") throw new Error("The append was refused.");
  return membershipChangesOfBodies(bodies, outcome.firstSeq);
}

async function change(conversation: ConversationId, bodies: readonly GroupEntryBody[]): Promise<void> {
  const changes = await appendOnly(conversation, bodies);
  await stores.groups.apply(conversation, changes);
  access.noteChanges(conversation, changes);
}

async function say(conversation: ConversationId, text: string, sender = ann): Promise<void> {
  const body = { kind: "message", sender, message_id: asMessageId(text), text } as const;
  await stores.messages.append({ conversation, drafts: [encodeDraft(body, 0)] });
}

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  return outcome.then(
    () => "good",
    (error: unknown) => {
      if (error instanceof TidingsError) return error.code;
      throw error;
    },
  );
}

function counted<T extends object>(port: T, counts: Map<string, number>): T {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value === "object" && value !== null) return counted(value, counts);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
        return Reflect.apply(value, target, args);
      };
    },
  });
}

describe("access to a conversation", () => {
  it("is read once and then answered without waiting", async () => {
    expect(access.cachedMember(room, ben)).toBeUndefined();
    const read = await access.accessAsMember(room, ben);
    expect(read).toMatchObject({ conversation: room, firstSeq: 1, membership: { role: "member", joinedSeq: 3 } });
    calls.clear();
    expect(access.cachedMember(room, ben)).toBe(read);
    expect(await access.accessAsMember(room, ben)).toBe(read);
    expect(calls.size).toBe(0);
  });

  it("is refused to strangers, who learn of public groups only", async () => {
    expect(await codeOf(access.accessAsMember(room, cat))).toBe("not-a-member");
    expect(await codeOf(access.accessAsMember(asConversationId("g_none"), cat))).toBe("conversation-not-found");
    await change(room, [{ kind: "group-changed", by: ann, visibility: "private" }]);
    expect(await codeOf(access.accessAsReader(room, cat))).toBe("conversation-not-found");
  });

  it("follows every change at once", async () => {
    await access.accessAsMember(room, ben);
    await change(room, [left(ben)]);
    expect(access.cachedMember(room, ben)).toBeUndefined();
    expect(await codeOf(access.accessAsMember(room, ben))).toBe("not-a-member");
    expect(await access.accessAsReader(room, ben)).toMatchObject({ firstSeq: 1, lastSeq: 4 });
    await change(room, [{ kind: "group-changed", by: ann, history: "since-join" }, joined(ben)]);
    expect(await access.accessAsMember(room, ben)).toMatchObject({ firstSeq: 6, membership: { joinedSeq: 6 } });
  });

  it("is not kept if it was read before a change and arrives after it", async () => {
    const gate = Promise.withResolvers<void>();
    const slow: Stores = {
      ...stores,
      groups: new Proxy(stores.groups, {
        get: (target, name) =>
          name === "membership"
            ? async (...args: Parameters<typeof target.membership>) => {
                const membership = await target.membership(...args);
                await gate.promise;
                return membership;
              }
            : Reflect.get(target, name),
      }),
    };
    access = createAccessService({ stores: slow, clock });
    const under = access.accessAsReader(room, ben);
    const ended = change(room, [left(ben)]);
    await ended;
    gate.resolve();
    expect(await under).toMatchObject({ lastSeq: 4 });
    expect(access.cachedMember(room, ben)).toBeUndefined();
  });

  it("is right after a crash between an entry and its image", async () => {
    await appendOnly(room, [left(ben), joined(cat)]);
    expect((await stores.groups.group(room))?.appliedSeq).toBe(3);
    expect(await codeOf(access.accessAsMember(room, ben))).toBe("not-a-member");
    expect(await codeOf(access.accessAsMember(room, cat))).toBe("good");
    expect((await stores.groups.group(room))?.appliedSeq).toBe(5);
  });

  it("is right after a crash also where many are asked for at once, and in the states", async () => {
    const rooms = Array.from({ length: 5 }, (_, index) => asConversationId(`g_${index}`));
    for (const one of rooms) await change(one, [joined(ben), joined(ann)]);
    for (const one of rooms) await appendOnly(one, [left(ben)]);
    const all = await access.accessAll(ben, [...rooms, asConversationId("g_none")]);
    expect([...all.values()].map(({ lastSeq }) => lastSeq)).toEqual([3, 3, 3, 3, 3]);
    for (const one of rooms) await appendOnly(one, [left(ann)]);
    expect((await access.states(ann)).map(({ conversation }) => conversation)).toEqual([room]);
  });

  it("waits while a membership is about to end, and then knows the end (G7)", async () => {
    await access.accessAsMember(room, ben);
    const release = access.hold(room, [ben]);
    expect(access.cachedMember(room, ben)).toBeUndefined();
    expect(access.cachedMember(room, ann)).toBeUndefined();
    expect(await codeOf(access.accessAsMember(room, ann))).toBe("good");
    let answered = false;
    const waiting = access.accessAsReader(room, ben).then((one) => {
      answered = true;
      return one;
    });
    const all = access.accessAll(ben, [room, asConversationId("g_a"), asConversationId("g_b")]);
    await change(room, [left(ben)]);
    expect(answered).toBe(false);
    release();
    expect(await waiting).toMatchObject({ lastSeq: 4 });
    expect((await all).get(room)).toMatchObject({ lastSeq: 4 });
  });

  it("never lets a reader who learns the head first see beyond his removal (G7)", async () => {
    const base = { stores, clock: createManualClock() };
    const changes = createGroupChanges(base, access);
    for (let round = 0; round < 50; round += 1) {
      const conversation = asConversationId(`g_round${round}`);
      await change(conversation, [joined(ann), joined(ben)]);
      await access.accessAsMember(conversation, ben);
      const removal = changes.change(
        conversation,
        async () => [{ kind: "member-removed", user: ben, by: ann, banned: false }],
        { ending: [ben] },
      );
      const more = Promise.all(Array.from({ length: 5 }, (_, index) => say(conversation, `m${index}`)));
      for (let read = 0; read < 10; read += 1) {
        const head = (await stores.messages.heads([conversation])).get(conversation)?.head ?? asSeq(0);
        const { lastSeq } = await access.accessAsReader(conversation, ben);
        const entries = await stores.messages.entries({
          conversation,
          fromSeq: asSeq(1),
          toSeq: asSeq(Math.min(head, lastSeq ?? head)),
          charactersMax: 100_000,
        });
        const end = entries.findIndex(({ kind }) => kind === "member-removed");
        expect([-1, entries.length - 1]).toContain(end);
      }
      await Promise.all([removal, more]);
    }
  });

  it("of many conversations costs as many calls as of three", async () => {
    const rooms = Array.from({ length: 100 }, (_, index) => asConversationId(`g_${index}`));
    for (const one of rooms) await change(one, [joined(ben)]);
    calls.clear();
    expect((await access.accessAll(ben, [...rooms, room])).size).toBe(101);
    expect([...calls.values()].reduce((sum, count) => sum + count, 0)).toBe(3);
    calls.clear();
    expect((await access.accessAll(ben, rooms)).size).toBe(100);
    expect(calls.size).toBe(0);
  });
});

describe("a direct conversation", () => {
  const pair = directConversationId(ann, ben);

  it("exists from its opening on, for its two users", async () => {
    expect(await codeOf(access.accessAsMember(pair, ann))).toBe("conversation-not-found");
    await access.openDirect(pair);
    await access.openDirect(pair);
    for (const user of [ann, ben]) expect(await codeOf(access.accessAsMember(pair, user))).toBe("good");
    expect(await codeOf(access.accessAsMember(pair, cat))).toBe("conversation-not-found");
    expect(await access.conversationIds(ben)).toEqual([pair, room].sort());
    expect(await access.memberIds(pair)).toEqual([ann, ben]);
    expect(await access.memberIds(directConversationId(ann, ann))).toEqual([ann]);
  });

  it("is in the states from its first message on", async () => {
    await access.openDirect(pair);
    expect((await access.states(ben)).map(({ conversation }) => conversation)).toEqual([room]);
    expect(await access.state(ben, pair)).toMatchObject({ head: 0, unread: 0 });
    await say(pair, "hello");
    const [state] = await access.states(ben);
    expect(state).toMatchObject({
      conversation: pair,
      kind: "direct",
      with_user: ann,
      head: 1,
      unread: 1,
      notify: "all",
    });
  });

  it("is not opened for somebody who is in as many as he can be", async () => {
    for (let index = 1; index < limits.conversationsPerUserMax; index += 1) {
      await stores.groups.ensureDirect(directConversationId(ben, asUserId(`u${index}`)));
    }
    expect(await codeOf(access.openDirect(pair))).toBe("too-many-conversations");
  });
});

describe("the members of a conversation", () => {
  it("are read once, in pages, and then follow the changes", async () => {
    const many = Array.from({ length: 2_500 }, (_, index) => asUserId(`user${index}`));
    await change(room, many.map(joined));
    expect(await access.memberIds(room)).toHaveLength(2_502);
    calls.clear();
    await change(room, [left(ben), joined(cat)]);
    const members = await access.memberIds(room);
    expect(members).toHaveLength(2_502);
    expect(members).not.toContain(ben);
    expect(members).toContain(cat);
    expect(await access.memberIds(room)).toBe(members);
    expect(calls.get("members")).toBeUndefined();
  });

  it("are not confused by changes that come again, late", async () => {
    await access.memberIds(room);
    const joining = await appendOnly(room, [joined(cat)]);
    const leaving = await appendOnly(room, [left(cat)]);
    await stores.groups.apply(room, [...joining, ...leaving]);
    access.noteChanges(room, [...joining, ...leaving]);
    access.noteChanges(room, joining);
    expect(await access.memberIds(room)).toEqual([ann, ben]);
  });

  it("hold what changed while they were being read, and are read once for all who ask", async () => {
    const reading = [access.memberIds(room), access.memberIds(room)];
    await change(room, [joined(cat)]);
    for (const members of await Promise.all(reading)) expect(members).toEqual([ann, ben, cat]);
    expect(calls.get("members")).toBe(1);
  });

  it("are read again after everything was forgotten", async () => {
    await access.memberIds(room);
    await stores.groups.apply(room, await appendOnly(room, [joined(cat)]));
    access.forget(room);
    expect(await access.memberIds(room)).toEqual([ann, ben, cat]);
    expect(await access.conversationIds(cat)).toEqual([room]);
  });
});

describe("an ending", () => {
  it("is noticed by whoever read before it and acts after it, and by nobody else", async () => {
    const before = { ann: access.endingsOf(ann), ben: access.endingsOf(ben) };
    await change(room, [joined(cat), { kind: "group-changed", by: ann, name: "Same members" }]);
    expect(access.endingsOf(ben)).toBe(before.ben);
    const release = access.hold(room, [ben]);
    const held = access.endingsOf(ben);
    expect(held).not.toBe(before.ben);
    await change(room, [left(ben)]);
    release();
    expect(access.endingsOf(ben)).not.toBe(held);
    expect(access.endingsOf(ann)).toBe(before.ann);
    access.forget(room);
    expect(access.endingsOf(ann)).not.toBe(before.ann);
  });

  it("is found by comparing with the entries, also if nobody noted it", async () => {
    await access.memberIds(room);
    await appendOnly(room, [left(ben)]);
    const former = await access.formerMembers(room, [ann, ben, cat]);
    expect([...former.keys()]).toEqual([ben, cat]);
    expect(former.get(ben)).toMatchObject({ lastSeq: 4, membership: { state: "left" } });
    expect(former.get(cat)).toBeUndefined();
  });
});

describe("the states of a user's conversations", () => {
  it("count what he may read and has not marked as read", async () => {
    await say(room, "m1");
    await say(room, "m2");
    await change(room, [{ kind: "group-changed", by: ann, history: "since-join" }, joined(cat)]);
    await say(room, "m3");
    await say(room, "m4");
    const unread = async (user: UserId) => (await access.state(user, room)).unread;
    expect([await unread(ben), await unread(cat)]).toEqual([4, 2]);
    await stores.markers.setRead(ben, room, { seq: asSeq(4), messages: 1 });
    await stores.markers.setRead(cat, room, { seq: asSeq(8), messages: 3 });
    expect([await unread(ben), await unread(cat)]).toEqual([3, 1]);
    expect((await access.states(cat))[0]).toMatchObject({ read_seq: 8, first_seq: 7, notify: "mentions", head: 9 });
  });

  it("cost few calls, however many there are", async () => {
    for (let index = 0; index < 50; index += 1) await change(asConversationId(`g_${index}`), [joined(ben)]);
    calls.clear();
    expect(await access.states(ben)).toHaveLength(51);
    expect([...calls.values()].reduce((sum, count) => sum + count, 0)).toBe(3);
  });
});

describe("the caches", () => {
  it("are bounded, and keep what is used", async () => {
    access = createAccessService({ stores, clock }, { conversationsMax: 10, weightMax: 20, usersMax: 3 });
    await access.accessAsMember(room, ann);
    for (let index = 0; index < 100; index += 1) {
      const conversation = asConversationId(`g_${index}`);
      await change(conversation, [joined(ben), joined(cat)]);
      for (const user of [ben, cat]) await access.accessAsMember(conversation, user);
      await access.memberIds(conversation);
      expect(access.cachedMember(room, ann)).toBeDefined();
    }
    expect(access.cachedMember(asConversationId("g_0"), ben)).toBeUndefined();
    expect(access.cachedMember(asConversationId("g_99"), ben)).toBeDefined();
  });
});
