import { partitionOf } from "@tidings/core";
import { asMessageId, asSeq, type Explanation, type FactCode, TidingsError } from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { type ExplainStage, helloId, openExplainStage } from "../testing/explain-stage.ts";
import { ann, ben, cat, partitions } from "../testing/fleet-rig.ts";
import { authenticate } from "../testing/receive-rig.ts";

/** Each reason in a fleet in which it was brought about: what is not stored, what he may not read, what he has. */

let stage: ExplainStage;
afterEach(() => stage.close());

const name = helloId;
const factsOf = ({ facts }: Explanation): FactCode[] => facts.map(({ fact }) => fact);

describe("what is not stored", () => {
  it("was not accepted, if it is neither in the store nor in the log", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.hello(conversation);
    expect(await stage.codeOf({ conversation, message: asMessageId("m-other"), sender: "ann" })).toBe("not-accepted");
    expect(await stage.codeOf({ conversation, seq: asSeq((await stage.headOf(conversation)) + 1) })).toBe(
      "not-accepted",
    );
  });

  it("was not found, if nobody says where it is", async () => {
    stage = await openExplainStage();
    await stage.openRoom();
    expect(await stage.codeOf({ message: asMessageId("m-other") })).toBe("not-found");
  });

  it("is not applied yet, if no worker is there", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.rig.settled(stage.worker.drain());
    await stage.accept(conversation);
    const explained = await stage.explain();
    expect(explained.conclusion).toMatchObject({
      code: "not-applied-yet",
      sentence: expect.stringMatching(/^No worker/),
    });
    expect(factsOf(explained)).toEqual(["in-log", "partition"]);
    expect(await stage.codeOf({ conversation, seq: asSeq((await stage.headOf(conversation)) + 1) })).toBe(
      "not-applied-yet",
    );
    stage.rig.startWorker();
    await stage.hello(conversation);
    expect(await stage.codeOf()).toBe("no-session");
  });

  it("is not said to be unknown, where more waits in the log than is looked at", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.rig.settled(stage.worker.drain());
    const { log } = stage.rig.fleet;
    for (let record = 0; record < 2_000; record += 1) await log.append(partitionOf(conversation, partitions), "{}");
    await stage.accept(conversation);
    const explained = await stage.explain({ conversation, sender: "ann" });
    expect(explained.conclusion.code).toBe("not-found");
  });

  it("is not applied yet, if its holder does not get on", async () => {
    const image: { stuck: boolean } = { stuck: false };
    stage = await openExplainStage({
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
    const conversation = await stage.openRoom();
    image.stuck = true;
    await stage.accept(conversation);
    const { conclusion } = await stage.explain();
    expect(conclusion).toMatchObject({ code: "not-applied-yet", sentence: expect.stringMatching(/^The holder/) });
  });

  it("was set aside, if the database refuses it for good", async () => {
    stage = await openExplainStage({
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
    const conversation = await stage.openRoom();
    await stage.accept(conversation);
    await stage.rig.until(() => stage.worker.gauges.worker.setAside() === 1);
    expect(await stage.codeOf({ conversation, sender: "ann" })).toBe("set-aside");
  });
});

describe("what he may not read", () => {
  it("is of a conversation that he was never in", async () => {
    stage = await openExplainStage();
    await stage.hello(await stage.openRoom([]));
    expect(await stage.codeOf({ sender: "ann" })).toBe("never-member");
  });

  it("was said before he joined, where members read what came since", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom([], "since-join");
    await stage.hello(conversation);
    await stage.rig.settled(stage.here.groups.join(ben, conversation));
    const { conclusion } = await stage.explain();
    expect(conclusion).toMatchObject({
      code: "joined-later",
      sentence: `ben joined at seq ${await stage.headOf(conversation)}, and members read what came since they joined.`,
    });
  });

  it("was said after he left", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.rig.settled(stage.here.groups.leave(ben, conversation));
    await stage.hello(conversation);
    expect(await stage.codeOf({ sender: "ann" })).toBe("left-before");
  });

  it("was said after he was removed", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    const benThere = await stage.rig.connect(stage.there, ben);
    await stage.rig.settled(stage.here.groups.remove(ann, { conversation, subject: ben }));
    await stage.rig.until(() => benThere.of("ended").length === 1);
    await stage.hello(conversation);
    expect(await stage.codeOf({ sender: "ann" })).toBe("removed-before");
    expect(benThere.texts(conversation)).toEqual([]);
  });
});

describe("what he has", () => {
  it("was written to his session, at another machine than was asked", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    const benThere = await stage.rig.connect(stage.there, ben);
    await stage.hello(conversation);
    await stage.rig.until(() => benThere.texts(conversation).length === 1);
    const explained = await stage.explain();
    expect(explained).toMatchObject({
      user: ben,
      conversation,
      seq: await stage.headOf(conversation),
      sender: ann,
      message_id: name,
      conclusion: {
        code: "written",
        sentence: `It was written to 1 of 1 open sessions of ben, at ${stage.there.machine}.`,
      },
    });
    expect(factsOf(explained)).toEqual([
      ...["stored", "partition", "membership", "applied", "routed", "connected", "arrived", "written", "session"],
      "notify-mode",
    ]);
    const applied = explained.facts.find(({ fact }) => fact === "applied");
    expect(applied?.machine).toBe(stage.worker.machine);
    expect(JSON.stringify(explained)).not.toContain("secret");
    expect(await stage.codeOf({ conversation, seq: asSeq(await stage.headOf(conversation)) })).toBe("written");
  });

  it("was written to a session that has closed since", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    const benThere = await stage.rig.connect(stage.there, ben);
    await stage.hello(conversation);
    await stage.rig.until(() => benThere.texts(conversation).length === 1);
    benThere.leave();
    await stage.rig.clock.advance(0);
    const explained = await stage.explain();
    expect(explained.conclusion).toMatchObject({ code: "written", sentence: expect.stringContaining("closed") });
    expect(factsOf(explained)).toContain("session-ended");
  });

  it("was written to a session that asked for it", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.hello(conversation);
    const benThere = await stage.rig.connect(stage.there, ben, { [conversation]: asSeq(1) });
    await stage.rig.until(() => benThere.texts(conversation).length === 1);
    expect(await stage.codeOf()).toBe("written");
  });

  it("was fetched by a poll, or with a page of history", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom([ben, cat]);
    await stage.hello(conversation);
    const never = new AbortController().signal;
    await stage.rig.settled(
      stage.there.receive.sync(await authenticate(ben), { have: { [conversation]: asSeq(1) } }, never),
    );
    await stage.rig.settled(stage.there.receive.entries(await authenticate(cat), conversation, { after: asSeq(1) }));
    expect((await stage.explain()).conclusion).toMatchObject({
      code: "fetched",
      sentence: expect.stringContaining("a poll"),
    });
    expect((await stage.explain({ user: "cat" })).conclusion).toMatchObject({
      code: "fetched",
      sentence: expect.stringContaining("a page"),
    });
  });

  it("is held by his client, which says so", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.hello(conversation);
    await stage.rig.connect(stage.there, ben, { [conversation]: asSeq(await stage.headOf(conversation)) });
    expect(await stage.codeOf()).toBe("client-holds");
  });

  it("is behind his read marker", async () => {
    stage = await openExplainStage();
    const conversation = await stage.openRoom();
    await stage.hello(conversation);
    expect(await stage.codeOf()).toBe("no-session");
    await stage.rig.settled(stage.there.markers.markRead(ben, conversation, asSeq(await stage.headOf(conversation))));
    expect(await stage.codeOf()).toBe("read");
  });
});
