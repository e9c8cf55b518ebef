import { asConversationId, asMessageId, asSeq, asUserId, type UserId } from "@tidings/protocol";
import { encodeDraft, type GroupEntryBody, membershipChangesOfBodies } from "@tidings/core";
import { createMemoryLinks, createMemoryStores } from "@tidings/engine-memory";
import { pino } from "pino";
import { expect, it } from "vitest";
import { createAccessService } from "../group-service/access-service.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import { createSendService } from "../send-service/send-service.ts";
import { createUserLookup } from "../send-service/user-lookup.ts";
import type { Base } from "../services.ts";
import { joined } from "../testing/receive-rig.ts";
import { createNotifier } from "./notifier.ts";

const [ann, ben, cleo, dora] = ["u_ann", "u_ben", "u_cleo", "u_dora"].map(asUserId) as [UserId, UserId, UserId, UserId];
const team = asConversationId("g_team");

it("notifies those who were members when a message was sequenced, whatever came after it (G9)", async () => {
  const clock = createRealClock();
  const stores = createMemoryStores();
  const base: Base = { stores, clock, random: createRealRandom(), log: pino({ level: "silent" }) };
  const access = createAccessService(base);
  const sendService = createSendService(base, { access, users: createUserLookup(stores.accounts) });
  const change = async (...bodies: GroupEntryBody[]): Promise<void> => {
    const outcome = await stores.messages.append({
      conversation: team,
      drafts: bodies.map((body) => encodeDraft(body, clock.nowMs())),
    });
    if (outcome.outcome !== "appended") throw new Error("A change without a condition is appended.");
    const changes = membershipChangesOfBodies(bodies, outcome.firstSeq);
    await stores.groups.apply(team, changes);
    access.noteChanges(team, changes);
  };
  const say = (text: string, mentions: UserId[]) =>
    sendService.send(ann, { conversation: team }, { message_id: asMessageId(text), text, mentions });
  const settings = { name: "Team", description: "", visibility: "public", history: "everything" } as const;

  await change({ kind: "group-changed", by: ann, ...settings }, joined(ann, "owner"), joined(ben), joined(dora));
  await stores.markers.setNotify(dora, team, "none");
  await say("first", [ben, cleo, dora]);
  await change({ kind: "member-removed", user: ben, by: ann, banned: false }, { kind: "member-left", user: dora });
  await change(joined(cleo));
  await say("second", [ben, cleo, dora]);

  const { consumer } = createNotifier(base, { access, links: createMemoryLinks({ clock }) });
  const running = consumer.run();
  while ((await stores.notifications.newest([cleo]))[0] === 0) await clock.sleep(0);
  await consumer.stop();
  await running;
  const seqs = async (user: UserId) =>
    (await stores.notifications.list(user, { after: 0, limit: 10 })).map(({ seq, reason }) => [seq, reason]);
  expect(await seqs(ben)).toEqual([[5, "mention"]]);
  expect(await seqs(cleo)).toEqual([[9, "mention"]]);
  expect(await seqs(dora)).toEqual([]);
});

it("does not notify who was removed by another machine before the message, though a hint says that he is a member", async () => {
  const clock = createRealClock();
  const stores = createMemoryStores();
  const base: Base = { stores, clock, random: createRealRandom(), log: pino({ level: "silent" }) };
  const access = createAccessService(base, { cachesAre: "hints" });
  const changeElsewhere = async (...bodies: GroupEntryBody[]): Promise<void> => {
    const drafts = bodies.map((body) => encodeDraft(body, clock.nowMs()));
    const outcome = await stores.messages.append({ conversation: team, drafts });
    if (outcome.outcome !== "appended") throw new Error("A change without a condition is appended.");
    await stores.groups.apply(team, membershipChangesOfBodies(bodies, outcome.firstSeq));
  };
  const settings = { name: "Team", description: "", visibility: "public", history: "everything" } as const;
  await changeElsewhere(
    { kind: "group-changed", by: ann, ...settings },
    joined(ann, "owner"),
    joined(ben),
    joined(cleo),
  );
  await access.accessAsMember(team, ben);
  await changeElsewhere({ kind: "member-removed", user: ben, by: ann, banned: false });
  expect(access.cachedMember(team, ben)).toBeDefined();
  const sendService = createSendService(base, { access, users: createUserLookup(stores.accounts) });
  const message = { message_id: asMessageId("m1"), text: "hello", mentions: [ben, cleo] };
  await sendService.send(ann, { conversation: team }, message);

  const { consumer } = createNotifier(base, { access, links: createMemoryLinks({ clock }) });
  const running = consumer.run();
  while ((await stores.notifications.newest([cleo]))[0] === 0) await clock.sleep(0);
  await consumer.stop();
  await running;
  expect(await stores.notifications.newest([ben])).toEqual([0]);
});

it("reads of plain changes those only of which somebody wants every message", async () => {
  const clock = createRealClock();
  const stores = createMemoryStores();
  const read: string[] = [];
  const base: Base = {
    clock,
    random: createRealRandom(),
    log: pino({ level: "silent" }),
    stores: {
      ...stores,
      messages: {
        ...stores.messages,
        append: (request) => stores.messages.append(request),
        entries(range) {
          read.push(range.conversation);
          return stores.messages.entries(range);
        },
      },
      // As a feed that looked at what was stored.
      feed: {
        advance: (name, position) => stores.feed.advance(name, position),
        positions: () => stores.feed.positions(),
        async *changes(name, signal) {
          for await (const changes of stores.feed.changes(name, signal)) {
            yield changes.map((change) => (change.fromSeq > 3 ? { ...change, isPlain: true as const } : change));
          }
        },
      },
    },
  };
  const [quiet, loud] = [asConversationId("g_quiet"), asConversationId("g_loud")];
  for (const group of [quiet, loud]) {
    const drafts = [joined(ann, "owner"), joined(ben), joined(cleo)].map((body) => encodeDraft(body, 1_000));
    await stores.messages.append({ conversation: group, drafts });
  }
  await stores.markers.setNotify(ben, loud, "all");
  const access = createAccessService(base);
  const { consumer } = createNotifier(base, {
    access,
    links: createMemoryLinks({ clock }),
    fold: async (conversation) => {
      const bodies = [joined(ann, "owner"), joined(ben), joined(cleo)];
      await stores.groups.apply(conversation, membershipChangesOfBodies(bodies, asSeq(1)));
    },
  });
  const running = consumer.run();
  while (read.length < 2) await clock.sleep(0);
  const body = { kind: "message", sender: ann, message_id: asMessageId("m1"), text: "hello" } as const;
  for (const group of [quiet, loud]) {
    await stores.messages.append({ conversation: group, drafts: [encodeDraft(body, 2_000)] });
  }
  while ((await stores.notifications.newest([ben]))[0] === 0) await clock.sleep(0);
  await consumer.stop();
  await running;
  expect(read).toEqual([quiet, loud, loud]);
});
