import { asConversationId, asSeq, type Explanation, type FactCode } from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { type ExplainStage, helloId, openExplainStage } from "../testing/explain-stage.ts";
import { ben, cat } from "../testing/fleet-rig.ts";

/** Each reason in a fleet in which it was brought about: what does not come to him, and why he is notified or not. */

let stage: ExplainStage;
afterEach(() => stage.close());

const name = helloId;
const factsOf = ({ facts }: Explanation): FactCode[] => facts.map(({ fact }) => fact);

describe("what a session of his lacks", () => {
  it("is withheld from it while it is slow, and waits for its question when it is not", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    const benThere = await stage.rig.connect(stage.there, ben);
    benThere.unsentBytes = 1_000_000;
    await stage.hello(conversation);
    const { conclusion, facts } = await stage.explain();
    expect(conclusion).toMatchObject({ code: "downgraded", sentence: expect.stringContaining("1000000 bytes") });
    expect(facts.find(({ fact }) => fact === "written")?.sentence).toMatch(/to 0 sockets; 1 were too slow/);
    benThere.drained();
    await stage.rig.clock.advance(0);
    expect(await stage.codeOf()).toBe("behind");
    expect(benThere.texts(conversation)).toEqual([]);
  });

  it("is pending until the tick comes", async () => {
    const asked: Promise<Explanation>[] = [];
    let watched = false;
    stage = await openExplainStage({
      lose(message) {
        // When it is on its way to the machine, and no timer has fired since.
        if (watched && message.tell === "delivery")
          asked.push(stage.here.explain.explain({ user: "ben", message: name }));
        return false;
      },
    });
    const conversation = await stage.openRoom();
    const benThere = await stage.rig.connect(stage.there, ben);
    watched = true;
    await stage.hello(conversation);
    watched = false;
    expect((await Promise.all(asked)).map(({ conclusion }) => conclusion.code)).toEqual(["pending"]);
    expect(benThere.texts(conversation)).toHaveLength(1);
    expect(await stage.codeOf()).toBe("written");
  });

  it("was sent to its machine, and lost on the way", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    const benThere = await stage.rig.connect(stage.there, ben);
    await stage.rig.clock.advance(2_000);
    stage.lost.push("delivery", "heads");
    await stage.hello(conversation);
    expect(await stage.codeOf()).toBe("push-lost");
    await stage.rig.until(() => benThere.texts(conversation).length === 1);
    const explained = await stage.explain();
    expect(explained.conclusion.code).toBe("written");
    expect(explained.facts.find(({ fact }) => fact === "arrived")?.sentence).toMatch(/was read from the store/);
  });

  it("was not sent to its machine, of which the worker did not know", async () => {
    stage = await openExplainStage({
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
    const conversation = await stage.openRoom();
    const benThere = await stage.rig.connect(stage.there, ben);
    await stage.rig.clock.advance(2_000);
    await stage.hello(conversation);
    expect(await stage.codeOf()).toBe("not-routed");
    await stage.rig.until(() => benThere.texts(conversation).length === 1);
    expect(await stage.codeOf()).toBe("written");
  });

  it("has not arrived, and the worker that knew of it is gone", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.rig.connect(stage.there, ben);
    await stage.rig.clock.advance(2_000);
    stage.lost.push("delivery", "heads");
    await stage.hello(conversation);
    await stage.worker.stop();
    expect(await stage.codeOf()).toBe("not-arrived");
  });

  it("is of a conversation that its machine has not heard of", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom([]);
    const benThere = await stage.rig.connect(stage.there, ben);
    stage.lost.push("delivery", "heads", "access-changed");
    await stage.rig.settled(stage.here.groups.join(ben, conversation));
    await stage.hello(conversation);
    expect(await stage.codeOf()).toBe("not-followed");
    await stage.rig.until(() => benThere.texts(conversation).length === 1);
  });

  it("was there before it, and it did not ask", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.hello(conversation);
    await stage.rig.connect(stage.there, ben);
    expect(await stage.codeOf()).toBe("before-session");
  });

  it("is not known where its machine does not answer", async () => {
    let machines = 0;
    stage = await openExplainStage({
      inquiry: (inquiry) => ({
        ...inquiry,
        answer(handler, signal) {
          machines += 1;
          // The second one is Ben's.
          if (machines !== 2) inquiry.answer(handler, signal);
        },
      }),
    });
    const conversation = await stage.openRoom();
    await stage.rig.connect(stage.there, ben);
    await stage.hello(conversation);
    const explained = await stage.explain();
    expect(explained.conclusion).toMatchObject({
      code: "machine-silent",
      sentence: expect.stringContaining(stage.there.machine),
    });
    expect(factsOf(explained)).toContain("silent");
  });
});

describe("what nobody brings him", () => {
  it("is of a conversation that he is a former member of", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.hello(conversation);
    await stage.rig.settled(stage.here.groups.leave(ben, conversation));
    expect(await stage.codeOf({ conversation })).toBe("former-member");
    await stage.rig.connect(stage.there, ben);
    expect(await stage.codeOf({ conversation })).toBe("former-member");
  });

  it("is in his history since before he joined", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom([]);
    await stage.hello(conversation);
    await stage.rig.settled(stage.here.groups.join(ben, conversation));
    expect(await stage.codeOf()).toBe("in-history");
    await stage.rig.connect(stage.there, ben);
    expect(await stage.codeOf()).toBe("in-history");
  });

  it("waits for his next sync, because he has no session", async () => {
    stage = await openExplainStage();
    await stage.hello(await stage.openRoom());
    const explained = await stage.explain();
    expect(explained.conclusion.code).toBe("no-session");
    expect(factsOf(explained)).not.toContain("session");
  });
});

describe("why he was notified, or not", () => {
  const notified = async (user = "ben"): Promise<string | undefined> =>
    (await stage.explain({ user, sender: "ann" })).notification?.code;

  it("is told: he was mentioned; the sender and strangers are not notified", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.hello(conversation, [ben]);
    await stage.rig.clock.advance(1_000);
    expect(await stage.explain()).toMatchObject({
      notification: { code: "notified", sentence: expect.stringContaining("number 1") },
    });
    expect(await notified("ann")).toBe("own-message");
    expect(await notified("cat")).toBe("not-a-member");
  });

  it("is told: nobody mentioned him, or he has muted the conversation", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom([ben, cat]);
    await stage.rig.settled(stage.there.markers.setNotify(cat, conversation, "none"));
    // Until the notifier counts what was set at another machine.
    await stage.rig.clock.advance(5_000);
    await stage.hello(conversation, [cat]);
    await stage.rig.clock.advance(1_000);
    expect(await notified()).toBe("not-mentioned");
    expect(await notified("cat")).toBe("muted");
  });

  it("is told: the notifier has not come to it", async () => {
    stage = await openExplainStage({
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
    await stage.hello(await stage.openRoom(), [ben]);
    await stage.rig.clock.advance(1_000);
    expect(await notified()).toBe("not-notified-yet");
  });
});

describe("a question", () => {
  it("that fits several messages is answered with where they are", async () => {
    stage = await openExplainStage();
    const rooms = [await stage.openRoom(), await stage.openRoom()];
    for (const room of rooms) await stage.hello(room);
    await expect(stage.explain()).rejects.toMatchObject({
      code: "invalid-request",
      detail: expect.stringContaining(rooms[1] as string),
    });
  });

  it("about nobody, or about no message, is refused", async () => {
    stage = await openExplainStage();
    await expect(stage.explain({ user: "nobody" })).rejects.toMatchObject({ code: "user-not-found" });
    await expect(stage.rig.settled(stage.here.explain.explain({ user: "ben" }))).rejects.toMatchObject({
      code: "invalid-request",
    });
    const both = { message: name, seq: asSeq(1), conversation: asConversationId("g_room") };
    await expect(stage.rig.settled(stage.here.explain.explain({ user: "ben", ...both }))).rejects.toMatchObject({
      code: "invalid-request",
    });
    await expect(stage.rig.settled(stage.here.explain.explain({ user: "ben", seq: asSeq(1) }))).rejects.toMatchObject({
      code: "invalid-request",
    });
  });
});
