import { beforeEach, describe, expect, it } from "vitest";
import { asConversationId, asUserId, type ConversationId, type UserId } from "@tidings/protocol";
import {
  createManualClock,
  encodeDraft,
  type GroupEntryBody,
  type ManualClock,
  membershipChangesOfBodies,
  type Stores,
} from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import type { AccessService } from "../services.ts";
import { createAccessService } from "./access-service.ts";

const room = asConversationId("g_room");
const [ann, ben] = ["u_ann", "u_ben"].map(asUserId) as [UserId, UserId];

let clock: ManualClock;
let stores: Stores;
let access: AccessService;

beforeEach(async () => {
  clock = createManualClock();
  stores = createMemoryStores();
  access = createAccessService({ stores, clock }, { cachesAre: "hints" });
  await changeElsewhere([
    { kind: "group-changed", by: ann, name: "Room", description: "", visibility: "public", history: "everything" },
    { kind: "member-joined", user: ann, role: "owner", via: "creation" },
    { kind: "member-joined", user: ben, role: "member", via: "join" },
  ]);
});

const joinedAgain: GroupEntryBody = { kind: "member-joined", user: ben, role: "member", via: "join" };
const removed: GroupEntryBody = { kind: "member-removed", user: ben, by: ann, banned: false };

/** As another machine does it: nothing of it is noted here. */
async function changeElsewhere(bodies: readonly GroupEntryBody[], folds = true): Promise<void> {
  const drafts = bodies.map((body) => encodeDraft(body, 0));
  const outcome = await stores.messages.append({ conversation: room, drafts });
  if (outcome.outcome !== "appended") throw new Error("A change without a condition is appended.");
  if (folds) await stores.groups.apply(room, membershipChangesOfBodies(bodies, outcome.firstSeq));
}

describe("access whose caches are hints", () => {
  it("a reader's right is as the databases say now, also if the Group DB is behind the entries", async () => {
    expect(await access.accessAsReader(room, ben)).toMatchObject({ checked: { seq: 3 } });
    await changeElsewhere([removed], false);
    expect(await access.accessAsReader(room, ben)).toMatchObject({ lastSeq: 4, checked: { seq: 4 } });
    expect((await access.accessAll(ben, [room])).get(room)).toMatchObject({ lastSeq: 4 });
  });

  it("a user's conversations are as the Group DB says now", async () => {
    expect(await access.conversationIds(ben)).toEqual([room]);
    await changeElsewhere([removed]);
    expect(await access.conversationIds(ben)).toEqual([]);
    expect(await access.memberIds(room)).toEqual([ann]);
  });

  it("how many conversations users are in is as the Group DB says now, read for all of them at once", async () => {
    const reads: (readonly UserId[])[] = [];
    const conversationCounts: Stores["memberships"]["conversationCounts"] = async (users) => {
      reads.push(users);
      return stores.memberships.conversationCounts(users);
    };
    const counted: Stores = { ...stores, memberships: { ...stores.memberships, conversationCounts } };
    access = createAccessService({ stores: counted, clock }, { cachesAre: "hints" });
    expect(await access.conversationCounts([ann, ben])).toEqual([1, 1]);
    await changeElsewhere([removed]);
    expect(await access.conversationCounts([ann, ben])).toEqual([1, 0]);
    await changeElsewhere([joinedAgain]);
    expect(await access.conversationCounts([ben])).toEqual([1]);
    expect(reads).toEqual([[ann, ben], [ann, ben], [ben]]);
  });

  it("a sender who was removed elsewhere is believed for some seconds, and not for longer", async () => {
    await access.accessAsMember(room, ben);
    await changeElsewhere([removed]);
    expect(access.cachedMember(room, ben)).toBeDefined();
    await clock.advance(5_001);
    expect(access.cachedMember(room, ben)).toBeUndefined();
    await expect(access.accessAsMember(room, ben)).rejects.toMatchObject({ code: "not-a-member" });
  });

  it("a sender of whom another machine tells is asked for at once", async () => {
    await access.accessAsMember(room, ben);
    await changeElsewhere([removed]);
    access.forget(room, ben);
    expect(access.cachedMember(room, ben)).toBeUndefined();
  });

  it("a membership that ends while the group is being read is not taken for an active one", async () => {
    const reading = Promise.withResolvers<void>();
    const { group } = stores.groups;
    const slow: Stores = {
      ...stores,
      groups: {
        ...stores.groups,
        async group(conversation: ConversationId) {
          await reading.promise;
          return group(conversation);
        },
      },
    };
    access = createAccessService({ stores: slow, clock }, { cachesAre: "hints" });
    const right = access.accessAsReader(room, ben);
    await clock.advance(0);
    await changeElsewhere([removed]);
    reading.resolve();
    expect(await right).toMatchObject({ lastSeq: 4, membership: { state: "removed" } });
  });
});
