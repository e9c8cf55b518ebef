import { beforeEach, describe, expect, it } from "vitest";
import fc from "fast-check";
import {
  asConversationId,
  asMachineId,
  asUserId,
  directConversationId,
  type MachineId,
  type UserId,
} from "@tidings/protocol";
import {
  createManualClock,
  encodeDraft,
  type GroupEntryBody,
  membershipChangesOfBodies,
  type Stores,
} from "@tidings/core";
import { createMemoryLinks, createMemoryStores } from "@tidings/engine-memory";
import { Interest } from "./interest.ts";

const room = asConversationId("g_room");
const users = ["u_ann", "u_ben", "u_cat"].map(asUserId);
const machines = ["m_1", "m_2"].map(asMachineId);
const [ann, ben] = users as [UserId, UserId];
const [one, two] = machines as [MachineId, MachineId];

let stores: Stores;
let interest: Interest;
let ending: AbortController;
let following: Promise<void>;
const clock = createManualClock();
let connections: ReturnType<typeof createMemoryLinks>["connections"];

beforeEach(() => begin());

async function begin(weightMax = 1_000): Promise<void> {
  stores = createMemoryStores();
  ({ connections } = createMemoryLinks({ clock }));
  interest = new Interest({ stores, connections, weightMax });
  for (const machine of machines) await connections.renew(machine, 10_000);
  follow();
  await clock.advance(0);
}

function follow(): void {
  ending = new AbortController();
  following = interest.follow(ending.signal, () => undefined);
}

async function change(bodies: readonly GroupEntryBody[]): Promise<void> {
  const outcome = await stores.messages.append({
    conversation: room,
    drafts: bodies.map((body) => encodeDraft(body, 0)),
  });
  if (outcome.outcome !== "appended") throw new Error("A change without a condition is appended.");
  const changes = membershipChangesOfBodies(bodies, outcome.firstSeq);
  await stores.groups.apply(room, changes);
  interest.noteChanges(room, changes);
}

const joins = (user: UserId): GroupEntryBody => ({ kind: "member-joined", user, role: "member", via: "join" });
const leaves = (user: UserId): GroupEntryBody => ({ kind: "member-left", user });
const machinesOf = async (): Promise<MachineId[]> => [...(await interest.machinesOf(room))].sort();

describe("the interest of machines", () => {
  it("follows who comes and goes, in the group and on the machines", async () => {
    await change([joins(ann)]);
    await connections.add(ann, one);
    await clock.advance(0);
    expect(await machinesOf()).toEqual([one]);
    await connections.add(ben, two);
    await clock.advance(0);
    expect(await machinesOf()).toEqual([one]);
    await change([joins(ben)]);
    expect(await machinesOf()).toEqual([one, two]);
    await change([leaves(ann)]);
    expect(await machinesOf()).toEqual([two]);
    await connections.retire(two);
    await clock.advance(0);
    expect(await machinesOf()).toEqual([]);
  });

  it("forgets a machine's rows when its lease runs out", async () => {
    await change([joins(ann)]);
    await connections.add(ann, one);
    await clock.advance(0);
    expect(await machinesOf()).toEqual([one]);
    await clock.advance(10_001);
    expect(await machinesOf()).toEqual([]);
  });

  it("begins anew with all rows when it follows again", async () => {
    await change([joins(ann), joins(ben)]);
    await connections.add(ann, one);
    await clock.advance(0);
    expect(await machinesOf()).toEqual([one]);
    ending.abort();
    await following;
    await connections.remove(ann, one);
    await connections.add(ben, two);
    follow();
    await clock.advance(0);
    expect(await machinesOf()).toEqual([two]);
  });

  it("finds members whose entries are not folded into the Group DB yet", async () => {
    const drafts = [encodeDraft(joins(ann), 0)];
    await stores.messages.append({ conversation: room, drafts });
    await connections.add(ann, one);
    await clock.advance(0);
    expect(await machinesOf()).toEqual([one]);
  });

  it("is bounded: what was not used the longest goes, and is read again", async () => {
    await begin(10);
    for (const user of users) await connections.add(user, one);
    await clock.advance(0);
    for (let number = 0; number < 50; number += 1) {
      await interest.machinesOf(directConversationId(ann, asUserId(`u_${number}`)));
      expect(interest.weight).toBeLessThanOrEqual(10);
    }
    expect([...(await interest.machinesOf(directConversationId(ann, ben)))]).toEqual([one]);
  });

  it("is at any time what the Group DB and the Connection DB say together", async () => {
    const step = fc.record({
      what: fc.constantFrom("join", "leave", "add", "remove", "forget", "look"),
      user: fc.constantFrom(...users),
      machine: fc.constantFrom(...machines),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await begin();
        for (const { what, user, machine } of steps) {
          if (what === "join") await change([joins(user)]);
          if (what === "leave") await change([leaves(user)]);
          if (what === "add") await connections.add(user, machine);
          if (what === "remove") await connections.remove(user, machine);
          if (what === "forget") interest.forget(room);
          if (what === "look") await machinesOf();
        }
        await clock.advance(0);
        const { items } = await stores.groups.members(room, { state: "active", limit: 10 });
        const expected = await connections.machinesOf(items.map((member) => member.user));
        expect(await machinesOf()).toEqual([...expected].sort());
        ending.abort();
        await following;
      }),
      { numRuns: 100 },
    );
  });
});
