import type { FleetEngines, MachineMessage } from "@tidings/core";
import {
  asConversationId,
  asMessageId,
  asSeq,
  type ConversationId,
  type ExplainRequest,
  type Explanation,
  type FactCode,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import type { Machine } from "../compose-machine.ts";
import { ann, ben, cat, type FleetRig, openFleetRig, partitions } from "../testing/fleet-rig.ts";
import { authenticate } from "../testing/receive-rig.ts";

/** Each reason in a fleet, in which it was brought about: two machines that serve, and workers. */

let rig: FleetRig;
let here: Machine;
let there: Machine;
let worker: Machine;
let lost: MachineMessage["tell"][] = [];

afterEach(async () => {
  lost = [];
  await rig.close();
});

type Options = Parameters<typeof openFleetRig>[0] & { own?: Partial<FleetEngines> };

async function open({ own, ...options }: Options = {}): Promise<void> {
  rig = openFleetRig({ lose: ({ tell }) => lost.includes(tell), ...options });
  here = rig.startServer();
  there = rig.startServer();
  worker = rig.startWorker(own);
  await rig.until(() => worker.gauges.worker.partitionsHeld() === partitions);
  for (const user of [ann, ben, cat]) {
    await rig.stores.accounts.create({ user, name: user.slice(2), displayName: user, createdAtMs: 0 });
  }
}

/** A group of Ann's with Ben in it. */
async function openRoom(members: readonly UserId[] = [ben], history: "everything" | "since-join" = "everything") {
  const made = here.groups.create(ann, { name: "Room", visibility: "public", history });
  const { conversation } = await rig.settled(made);
  for (const user of members) await rig.settled(here.groups.join(user, conversation));
  return conversation;
}

const name = asMessageId("m-hello");

/** Ann says hello; answers when it is stored. */
async function hello(conversation: ConversationId, mentions: readonly UserId[] = []): Promise<void> {
  await accept(conversation, mentions);
  const key = { conversation, sender: ann, messageId: name };
  while ((await rig.settled(rig.fleet.image.find([key])))[0] === undefined) await rig.clock.advance(1);
  await rig.clock.advance(0);
}

async function accept(conversation: ConversationId, mentions: readonly UserId[] = []): Promise<void> {
  const message = { message_id: name, text: "a secret text", mentions: [...mentions] };
  await rig.settled(here.sendService.send(ann, { conversation }, message));
}

const headOf = async (conversation: ConversationId): Promise<number> =>
  (await rig.stores.messages.heads([conversation])).get(conversation)?.head ?? 0;

/** Asked at the machine that does not hold Ben. */
function explain(about: Partial<ExplainRequest> = {}): Promise<Explanation> {
  const named = about.seq === undefined ? { message: name } : {};
  return rig.settled(here.explain.explain({ user: "ben", ...named, ...about }));
}

const codeOf = async (about: Partial<ExplainRequest> = {}): Promise<string> => (await explain(about)).conclusion.code;
const factsOf = ({ facts }: Explanation): FactCode[] => facts.map(({ fact }) => fact);

describe("what is not stored", () => {
  it("was not accepted, if it is neither in the store nor in the log", async () => {
    await open();
    const conversation = await openRoom();
    await hello(conversation);
    expect(await codeOf({ conversation, message: asMessageId("m-other"), sender: "ann" })).toBe("not-accepted");
    expect(await codeOf({ conversation, seq: asSeq((await headOf(conversation)) + 1) })).toBe("not-accepted");
  });

  it("was not found, if nobody says where it is", async () => {
    await open();
    await openRoom();
    expect(await codeOf({ message: asMessageId("m-other") })).toBe("not-found");
  });

  it("is not applied yet, if no worker is there", async () => {
    await open();
    const conversation = await openRoom();
    await rig.settled(worker.drain());
    await accept(conversation);
    const explained = await explain();
    expect(explained.conclusion).toMatchObject({
      code: "not-applied-yet",
      sentence: expect.stringMatching(/^No worker/),
    });
    expect(factsOf(explained)).toEqual(["in-log", "partition"]);
    expect(await codeOf({ conversation, seq: asSeq((await headOf(conversation)) + 1) })).toBe("not-applied-yet");
    rig.startWorker();
    await hello(conversation);
    expect(await codeOf()).toBe("no-session");
  });

  it("is not applied yet, if its holder does not get on", async () => {
    const image: { stuck: boolean } = { stuck: false };
    await open({
      engines: ({ stores, fleet }) => ({
        stores,
        fleet: {
          ...fleet,
          image: {
            ...fleet.image,
            apply: (batch) =>
              image.stuck ? Promise.reject(new TidingsError("unavailable")) : fleet.image.apply(batch),
          },
        },
      }),
    });
    const conversation = await openRoom();
    image.stuck = true;
    await accept(conversation);
    const { conclusion } = await explain();
    expect(conclusion).toMatchObject({ code: "not-applied-yet", sentence: expect.stringMatching(/^The holder/) });
  });

  it("was set aside, if the database refuses it for good", async () => {
    await open({
      engines: ({ stores, fleet }) => ({
        stores,
        fleet: {
          ...fleet,
          image: {
            ...fleet.image,
            apply: (batch) =>
              batch.requests.some(({ key }) => key.messageId === name)
                ? Promise.reject(new TidingsError("internal"))
                : fleet.image.apply(batch),
          },
        },
      }),
    });
    const conversation = await openRoom();
    await accept(conversation);
    await rig.until(() => worker.gauges.worker.setAside() === 1);
    expect(await codeOf({ conversation, sender: "ann" })).toBe("set-aside");
  });
});

describe("what he may not read", () => {
  it("is of a conversation that he was never in", async () => {
    await open();
    await hello(await openRoom([]));
    expect(await codeOf({ sender: "ann" })).toBe("never-member");
  });

  it("was said before he joined, where members read what came since", async () => {
    await open();
    const conversation = await openRoom([], "since-join");
    await hello(conversation);
    await rig.settled(here.groups.join(ben, conversation));
    const { conclusion } = await explain();
    expect(conclusion).toMatchObject({
      code: "joined-later",
      sentence: `ben joined at seq ${await headOf(conversation)}, and members read what came since they joined.`,
    });
  });

  it("was said after he left", async () => {
    await open();
    const conversation = await openRoom();
    await rig.settled(here.groups.leave(ben, conversation));
    await hello(conversation);
    expect(await codeOf({ sender: "ann" })).toBe("left-before");
  });

  it("was said after he was removed", async () => {
    await open();
    const conversation = await openRoom();
    const benThere = await rig.connect(there, ben);
    await rig.settled(here.groups.remove(ann, { conversation, subject: ben }));
    await rig.until(() => benThere.of("ended").length === 1);
    await hello(conversation);
    expect(await codeOf({ sender: "ann" })).toBe("removed-before");
    expect(benThere.texts(conversation)).toEqual([]);
  });
});

describe("what he has", () => {
  it("was written to his session, at another machine than was asked", async () => {
    await open();
    const conversation = await openRoom();
    const benThere = await rig.connect(there, ben);
    await hello(conversation);
    await rig.until(() => benThere.texts(conversation).length === 1);
    const explained = await explain();
    expect(explained).toMatchObject({
      user: ben,
      conversation,
      seq: await headOf(conversation),
      sender: ann,
      message_id: name,
      conclusion: { code: "written", sentence: `It was written to 1 of 1 open sessions of ben, at ${there.machine}.` },
    });
    expect(factsOf(explained)).toEqual([
      ...["stored", "partition", "membership", "applied", "routed", "connected", "arrived", "written", "session"],
      "notify-mode",
    ]);
    const applied = explained.facts.find(({ fact }) => fact === "applied");
    expect(applied?.machine).toBe(worker.machine);
    expect(JSON.stringify(explained)).not.toContain("secret");
    expect(await codeOf({ conversation, seq: asSeq(await headOf(conversation)) })).toBe("written");
  });

  it("was written to a session that has closed since", async () => {
    await open();
    const conversation = await openRoom();
    const benThere = await rig.connect(there, ben);
    await hello(conversation);
    await rig.until(() => benThere.texts(conversation).length === 1);
    benThere.leave();
    await rig.clock.advance(0);
    const explained = await explain();
    expect(explained.conclusion).toMatchObject({ code: "written", sentence: expect.stringContaining("closed") });
    expect(factsOf(explained)).toContain("session-ended");
  });

  it("was written to a session that asked for it", async () => {
    await open();
    const conversation = await openRoom();
    await hello(conversation);
    const benThere = await rig.connect(there, ben, { [conversation]: asSeq(1) });
    await rig.until(() => benThere.texts(conversation).length === 1);
    expect(await codeOf()).toBe("written");
  });

  it("was fetched by a poll, or with a page of history", async () => {
    await open();
    const conversation = await openRoom([ben, cat]);
    await hello(conversation);
    const never = new AbortController().signal;
    await rig.settled(there.receive.sync(await authenticate(ben), { have: { [conversation]: asSeq(1) } }, never));
    await rig.settled(there.receive.entries(await authenticate(cat), conversation, { after: asSeq(1) }));
    expect((await explain()).conclusion).toMatchObject({
      code: "fetched",
      sentence: expect.stringContaining("a poll"),
    });
    expect((await explain({ user: "cat" })).conclusion).toMatchObject({
      code: "fetched",
      sentence: expect.stringContaining("a page"),
    });
  });

  it("is held by his client, which says so", async () => {
    await open();
    const conversation = await openRoom();
    await hello(conversation);
    await rig.connect(there, ben, { [conversation]: asSeq(await headOf(conversation)) });
    expect(await codeOf()).toBe("client-holds");
  });

  it("is behind his read marker", async () => {
    await open();
    const conversation = await openRoom();
    await hello(conversation);
    expect(await codeOf()).toBe("no-session");
    await rig.settled(there.markers.markRead(ben, conversation, asSeq(await headOf(conversation))));
    expect(await codeOf()).toBe("read");
  });
});

describe("what a session of his lacks", () => {
  it("is withheld from it while it is slow, and waits for its question when it is not", async () => {
    await open();
    const conversation = await openRoom();
    const benThere = await rig.connect(there, ben);
    benThere.unsentBytes = 1_000_000;
    await hello(conversation);
    const { conclusion, facts } = await explain();
    expect(conclusion).toMatchObject({ code: "downgraded", sentence: expect.stringContaining("1000000 bytes") });
    expect(facts.find(({ fact }) => fact === "written")?.sentence).toMatch(/to 0 sockets; 1 were too slow/);
    benThere.drained();
    await rig.clock.advance(0);
    expect(await codeOf()).toBe("behind");
    expect(benThere.texts(conversation)).toEqual([]);
  });

  it("is pending until the tick comes", async () => {
    const asked: Promise<Explanation>[] = [];
    let watched = false;
    await open({
      lose(message) {
        // When it is on its way to the machine, and no timer has fired since.
        if (watched && message.tell === "delivery") asked.push(here.explain.explain({ user: "ben", message: name }));
        return false;
      },
    });
    const conversation = await openRoom();
    const benThere = await rig.connect(there, ben);
    watched = true;
    await hello(conversation);
    watched = false;
    expect((await Promise.all(asked)).map(({ conclusion }) => conclusion.code)).toEqual(["pending"]);
    expect(benThere.texts(conversation)).toHaveLength(1);
    expect(await codeOf()).toBe("written");
  });

  it("was sent to its machine, and lost on the way", async () => {
    await open();
    const conversation = await openRoom();
    const benThere = await rig.connect(there, ben);
    await rig.clock.advance(2_000);
    lost = ["delivery", "heads"];
    await hello(conversation);
    expect(await codeOf()).toBe("push-lost");
    await rig.until(() => benThere.texts(conversation).length === 1);
    const explained = await explain();
    expect(explained.conclusion.code).toBe("written");
    expect(explained.facts.find(({ fact }) => fact === "arrived")?.sentence).toMatch(/was read from the store/);
  });

  it("was not sent to its machine, of which the worker did not know", async () => {
    await open({
      links: (links) => ({
        ...links,
        connections: {
          ...links.connections,
          async *watch(signal) {
            for await (const events of links.connections.watch(signal)) yield events.slice(0, 0);
          },
        },
      }),
    });
    const conversation = await openRoom();
    const benThere = await rig.connect(there, ben);
    await rig.clock.advance(2_000);
    await hello(conversation);
    expect(await codeOf()).toBe("not-routed");
    await rig.until(() => benThere.texts(conversation).length === 1);
    expect(await codeOf()).toBe("written");
  });

  it("has not arrived, and the worker that knew of it is gone", async () => {
    await open();
    const conversation = await openRoom();
    await rig.connect(there, ben);
    await rig.clock.advance(2_000);
    lost = ["delivery", "heads"];
    await hello(conversation);
    await worker.stop();
    expect(await codeOf()).toBe("not-arrived");
  });

  it("is of a conversation that its machine has not heard of", async () => {
    await open();
    const conversation = await openRoom([]);
    const benThere = await rig.connect(there, ben);
    lost = ["delivery", "heads", "access-changed"];
    await rig.settled(here.groups.join(ben, conversation));
    await hello(conversation);
    expect(await codeOf()).toBe("not-followed");
    await rig.until(() => benThere.texts(conversation).length === 1);
  });

  it("was there before it, and it did not ask", async () => {
    await open();
    const conversation = await openRoom();
    await hello(conversation);
    await rig.connect(there, ben);
    expect(await codeOf()).toBe("before-session");
  });

  it("is not known where its machine does not answer", async () => {
    let machines = 0;
    await open({
      inquiry: (inquiry) => ({
        ...inquiry,
        answer(handler, signal) {
          machines += 1;
          // The second one is Ben's.
          if (machines !== 2) inquiry.answer(handler, signal);
        },
      }),
    });
    const conversation = await openRoom();
    await rig.connect(there, ben);
    await hello(conversation);
    const explained = await explain();
    expect(explained.conclusion).toMatchObject({
      code: "machine-silent",
      sentence: expect.stringContaining(there.machine),
    });
    expect(factsOf(explained)).toContain("silent");
  });
});

describe("what nobody brings him", () => {
  it("is of a conversation that he is a former member of", async () => {
    await open();
    const conversation = await openRoom();
    await hello(conversation);
    await rig.settled(here.groups.leave(ben, conversation));
    expect(await codeOf({ conversation })).toBe("former-member");
    await rig.connect(there, ben);
    expect(await codeOf({ conversation })).toBe("former-member");
  });

  it("is in his history since before he joined", async () => {
    await open();
    const conversation = await openRoom([]);
    await hello(conversation);
    await rig.settled(here.groups.join(ben, conversation));
    expect(await codeOf()).toBe("in-history");
    await rig.connect(there, ben);
    expect(await codeOf()).toBe("in-history");
  });

  it("waits for his next sync, because he has no session", async () => {
    await open();
    await hello(await openRoom());
    const explained = await explain();
    expect(explained.conclusion.code).toBe("no-session");
    expect(factsOf(explained)).not.toContain("session");
  });
});

describe("why he was notified, or not", () => {
  const notified = async (user = "ben"): Promise<string | undefined> =>
    (await explain({ user, sender: "ann" })).notification?.code;

  it("is told: he was mentioned; the sender and strangers are not notified", async () => {
    await open();
    const conversation = await openRoom();
    await hello(conversation, [ben]);
    await rig.clock.advance(1_000);
    expect(await explain()).toMatchObject({
      notification: { code: "notified", sentence: expect.stringContaining("number 1") },
    });
    expect(await notified("ann")).toBe("own-message");
    expect(await notified("cat")).toBe("not-a-member");
  });

  it("is told: nobody mentioned him, or he has muted the conversation", async () => {
    await open();
    const conversation = await openRoom([ben, cat]);
    await rig.settled(there.markers.setNotify(cat, conversation, "none"));
    // Until the notifier counts what was set at another machine.
    await rig.clock.advance(5_000);
    await hello(conversation, [cat]);
    await rig.clock.advance(1_000);
    expect(await notified()).toBe("not-mentioned");
    expect(await notified("cat")).toBe("muted");
  });

  it("is told: the notifier has not come to it", async () => {
    await open({
      engines: ({ stores, fleet }) => ({
        fleet,
        stores: {
          ...stores,
          feed: {
            ...stores.feed,
            async *changes(consumer, signal) {
              for await (const changes of stores.feed.changes(consumer, signal)) yield changes.slice(0, 0);
            },
          },
        },
      }),
    });
    await hello(await openRoom(), [ben]);
    await rig.clock.advance(1_000);
    expect(await notified()).toBe("not-notified-yet");
  });
});

describe("a question", () => {
  it("that fits several messages is answered with where they are", async () => {
    await open();
    const rooms = [await openRoom(), await openRoom()];
    for (const room of rooms) await hello(room);
    await expect(explain()).rejects.toMatchObject({
      code: "invalid-request",
      detail: expect.stringContaining(rooms[1] as string),
    });
  });

  it("about nobody, or about no message, is refused", async () => {
    await open();
    await expect(explain({ user: "nobody" })).rejects.toMatchObject({ code: "user-not-found" });
    await expect(rig.settled(here.explain.explain({ user: "ben" }))).rejects.toMatchObject({ code: "invalid-request" });
    const both = { message: name, seq: asSeq(1), conversation: asConversationId("g_room") };
    await expect(rig.settled(here.explain.explain({ user: "ben", ...both }))).rejects.toMatchObject({
      code: "invalid-request",
    });
    await expect(rig.settled(here.explain.explain({ user: "ben", seq: asSeq(1) }))).rejects.toMatchObject({
      code: "invalid-request",
    });
  });
});
