import { describe, expect, it } from "vitest";
import { asSeq, asUserId, type ConversationId, type Entry, TidingsError, type UserId } from "@tidings/protocol";
import { createManualClock, type Stores } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import { pino } from "pino";
import { createRealRandom } from "../real/real-random.ts";
import type { AccessService } from "../services.ts";
import { createAccessService } from "./access-service.ts";
import { createGroupService } from "./group-service.ts";
import type { GroupService } from "./group-service-types.ts";
import { KeyedQueue } from "./keyed-queue.ts";

/** Group Services over one set of databases, as machines of a cluster are, and databases that fail at the worst moment. */

const ann = asUserId("ann");

type Machine = { readonly groups: GroupService; readonly access: AccessService };

function startMachine(stores: Stores): Machine {
  const base = { stores, clock: createManualClock(), random: createRealRandom(), log: pino({ level: "silent" }) };
  const access = createAccessService(base);
  return { access, groups: createGroupService(base, access) };
}

async function openGroup({ groups }: Machine): Promise<ConversationId> {
  return (await groups.create(ann, { name: "Room", visibility: "public" })).conversation;
}

async function entriesOf(stores: Stores, conversation: ConversationId): Promise<readonly Entry[]> {
  const range = { conversation, fromSeq: asSeq(1), toSeq: asSeq(10_000), charactersMax: 10_000_000 };
  return (await stores.messages.entries(range)).map(({ json }) => JSON.parse(json) as Entry);
}

async function membersOf(stores: Stores, conversation: ConversationId): Promise<readonly UserId[]> {
  const page = await stores.groups.members(conversation, { state: "active", limit: 1_000 });
  return page.items.map(({ user }) => user);
}

describe("a group that several machines change at once", () => {
  it("gets every change once, in one order, whoever was first", async () => {
    const stores = createMemoryStores();
    const machines = [startMachine(stores), startMachine(stores), startMachine(stores)] as const;
    const conversation = await openGroup(machines[0]);
    const users = Array.from({ length: 30 }, (_, index) => asUserId(`user${index}`));
    const everywhere = await Promise.allSettled(
      users.flatMap((user) => machines.map(({ groups }) => groups.join(user, conversation))),
    );
    for (const outcome of everywhere) {
      if (outcome.status === "fulfilled") continue;
      // Whoever lost ten times in a row is told so; to try again is right.
      expect(outcome.reason).toMatchObject({ code: "conflict" });
    }
    for (const user of users) await machines[1].groups.join(user, conversation);
    const joins = (await entriesOf(stores, conversation)).filter(({ kind }) => kind === "member-joined");
    expect(joins).toHaveLength(31);
    expect(await membersOf(stores, conversation)).toEqual([ann, ...users].sort());
  });

  it("never loses its owner between two who leave", async () => {
    const stores = createMemoryStores();
    const [one, two] = [startMachine(stores), startMachine(stores)];
    for (let round = 0; round < 20; round += 1) {
      const conversation = await openGroup(one);
      const ben = asUserId("ben");
      await two.groups.join(ben, conversation);
      await one.groups.changeRole(ann, { conversation, subject: ben, role: "owner" });
      await two.groups.join(asUserId("cat"), conversation);
      await Promise.all([one.groups.leave(ann, conversation), two.groups.leave(ben, conversation)]);
      expect(await stores.groups.group(conversation)).toMatchObject({ memberCount: 1, ownerCount: 1 });
    }
  });
});

describe("a database that fails", () => {
  const failing = (stores: Stores, times: number, after: boolean): Stores => {
    let left = times;
    const { apply } = stores.groups;
    const groups = {
      ...stores.groups,
      async apply(...args: Parameters<typeof apply>) {
        if (after || left === 0) await apply(...args);
        if (left === 0) return;
        left -= 1;
        throw new TidingsError("unavailable");
      },
    };
    return { ...stores, groups };
  };

  it.each([
    ["before it stored what a group became", false],
    ["after it stored what a group became", true],
  ])("%s: the same request again does it once, and nobody sees the old state meanwhile", async (_what, after) => {
    const stores = createMemoryStores();
    const good = startMachine(stores);
    const conversation = await openGroup(good);
    const ben = asUserId("ben");
    const broken = startMachine(failing(stores, 1, after));
    await expect(broken.groups.join(ben, conversation)).rejects.toMatchObject({ code: "unavailable" });
    expect((await broken.access.accessAsMember(conversation, ben)).membership.joinedSeq).toBe(3);
    expect(await broken.groups.join(ben, conversation)).toMatchObject({ joined_seq: 3 });

    const breaks = startMachine(failing(stores, 1, after));
    await breaks.access.accessAsMember(conversation, ben);
    await expect(breaks.groups.remove(ann, { conversation, subject: ben })).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(breaks.access.cachedMember(conversation, ben)).toBeUndefined();
    await expect(breaks.access.accessAsMember(conversation, ben)).rejects.toMatchObject({ code: "not-a-member" });
    await breaks.groups.remove(ann, { conversation, subject: ben });
    expect((await entriesOf(stores, conversation)).map(({ kind }) => kind)).toEqual([
      "group-changed",
      "member-joined",
      "member-joined",
      "member-removed",
    ]);
  });

  it("does not make a refusal of what is only not known yet", async () => {
    const stores = createMemoryStores();
    const machine = startMachine(stores);
    const conversation = await openGroup(machine);
    const broken = startMachine(failing(stores, 1, false));
    const ben = asUserId("ben");
    await expect(broken.groups.join(ben, conversation)).rejects.toMatchObject({ code: "unavailable" });
    // Another machine knows nothing of it but what the databases hold.
    await startMachine(stores).groups.leave(ben, conversation);
    expect((await entriesOf(stores, conversation)).at(-1)).toMatchObject({ kind: "member-left", user: ben });
  });
});

describe("changes of one group", () => {
  it("are made one after the other, of different groups side by side, and a failed one stops nobody", async () => {
    const queue = new KeyedQueue({ waitingMax: 10 });
    const events: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = queue.run("a", async () => {
      events.push("a1 begins");
      await gate.promise;
      events.push("a1 ends");
      throw new Error("a1 fails");
    });
    const second = queue.run("a", async () => events.push("a2"));
    await queue.run("b", async () => events.push("b1"));
    gate.resolve();
    await expect(first).rejects.toThrow("a1 fails");
    await second;
    expect(events).toEqual(["a1 begins", "b1", "a1 ends", "a2"]);
  });

  it("wait in bounded numbers", async () => {
    const queue = new KeyedQueue({ waitingMax: 2 });
    const gate = Promise.withResolvers<void>();
    const runs = Array.from({ length: 3 }, (_, index) => queue.run("a", async () => gate.promise.then(() => index)));
    const outcomes = Promise.allSettled(runs);
    gate.resolve();
    expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(await queue.run("a", async () => "again")).toBe("again");
  });
});
