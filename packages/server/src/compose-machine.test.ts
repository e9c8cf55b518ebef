import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asMessageId, asSeq, type ConversationId, directConversationId, TidingsError } from "@tidings/protocol";
import { type FleetEngines, partitionOf } from "@tidings/core";
import type { Machine } from "./compose-machine.ts";
import { createRealRandom } from "./real/real-random.ts";
import { createLoggedMessages } from "./send-service/logged-messages.ts";
import { ann, ben, cat, type FleetRig, leaseMs, openFleetRig, partitions } from "./testing/fleet-rig.ts";

let rig: FleetRig;
let [here, there]: Machine[] = [];
let workers: Machine[];

afterEach(() => rig.close());

async function open(options: Parameters<typeof openFleetRig>[0] = {}): Promise<void> {
  rig = openFleetRig(options);
  here = rig.startServer();
  there = rig.startServer();
  workers = [rig.startWorker(), rig.startWorker()];
  await rig.until(() => held().every((count) => count === partitions / 2));
}

const held = (): number[] => workers.map(({ gauges }) => gauges.worker.partitionsHeld());
const machine = (one: Machine | undefined): Machine => one as Machine;

/** A public group of Ann's, whose members join at `there`. */
async function openRoom(members = [ben]): Promise<ConversationId> {
  const made = machine(here).groups.create(ann, { name: "Room", visibility: "public" });
  const { conversation } = await rig.settled(made);
  for (const user of members) await rig.settled(machine(there).groups.join(user, conversation));
  return conversation;
}

const headOf = async (conversation: ConversationId): Promise<number> =>
  (await rig.stores.messages.heads([conversation])).get(conversation)?.head ?? 0;

const holderOf = async (conversation: ConversationId): Promise<Machine> => {
  const holders = await rig.fleet.leases.holders("workers/partition/");
  const id = holders.get(`workers/partition/${partitionOf(conversation, partitions)}`);
  return machine(workers.find((worker) => worker.machine === id));
};

describe("a fleet", () => {
  beforeEach(() => open());

  it("brings a message from one machine to the members at another, in order", async () => {
    const room = await openRoom();
    const [annHere, benThere] = [await rig.connect(machine(here), ann), await rig.connect(machine(there), ben)];
    for (let number = 1; number <= 50; number += 1) annHere.sends(room, String(number));
    await rig.until(() => benThere.texts(room).length === 50 && annHere.of("ack").length === 50);
    const expected = Array.from({ length: 50 }, (_, index) => String(index + 1));
    expect(benThere.texts(room)).toEqual(expected);
    expect(annHere.texts(room)).toEqual(expected);
    const seqs = benThere.entries(room).map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
    expect(annHere.of("ack").every((ack) => ack.seq === undefined)).toBe(true);
  });

  it("packs what comes at the same time into few records", async () => {
    const room = await openRoom();
    const annHere = await rig.connect(machine(here), ann);
    const partition = partitionOf(room, partitions);
    const before = await rig.fleet.log.end(partition);
    for (let number = 1; number <= 50; number += 1) annHere.sends(room, String(number));
    await rig.until(() => annHere.of("ack").length === 50);
    expect((await rig.fleet.log.end(partition)) - before).toBeLessThan(5);
  });

  it("brings the first message of a direct conversation to sessions that do not know of it", async () => {
    const annHere = await rig.connect(machine(here), ann);
    const benThere = await rig.connect(machine(there), ben);
    await rig.stores.accounts.create({ user: ben, name: "ben", displayName: "Ben", createdAtMs: 0 });
    annHere.send({ type: "send", to: ben, message_id: asMessageId("m1"), text: "hello" });
    await rig.until(() => benThere.texts(directConversationId(ann, ben)).length === 1);
  });

  it("answers the repetition of a message with its original place, also long after", async () => {
    const room = await openRoom();
    const annHere = await rig.connect(machine(here), ann);
    annHere.sends(room, "once", "m1");
    await rig.until(() => annHere.texts(room).length === 1);
    const seq = annHere.entries(room)[0]?.seq;
    const atMs = annHere.of("ack")[0]?.at_ms;
    await rig.clock.advance(3_600_000);
    const again = await rig.settled(
      machine(there).sendService.send(ann, { conversation: room }, { message_id: asMessageId("m1"), text: "once" }),
    );
    expect(again).toMatchObject({ seq, atMs });
    await rig.clock.advance(100);
    expect(await headOf(room)).toBe(seq);
  });

  it("stores a message once that is sent again before it is applied", async () => {
    const room = await openRoom();
    const message = { message_id: asMessageId("m1"), text: "once" };
    const sent = [here, there, here].map((one) => machine(one).sendService.send(ann, { conversation: room }, message));
    await rig.settled(Promise.all(sent));
    await rig.clock.advance(1_000);
    expect(await headOf(room)).toBe(4);
  });

  it("lets one of two changes of a group that are based on the same state win, and decides the other anew", async () => {
    const room = await openRoom();
    const changes = Promise.all([
      machine(here).groups.change(ann, room, { name: "Here" }),
      machine(there).groups.change(ann, room, { description: "There" }),
    ]);
    await rig.settled(changes);
    const group = await rig.settled(machine(here).groups.group(ann, room));
    expect(group).toMatchObject({ name: "Here", description: "There" });
  });

  it("refuses a change under a condition that does not hold", async () => {
    const room = await openRoom();
    const draft = { kind: "group-changed", atMs: 0, json: '{"kind":"group-changed"}' } as const;
    const request = { conversation: room, drafts: [draft], ifGroupSeq: asSeq(1) };
    // As the Group Service of a machine writes: through the log.
    const logged = createLoggedMessages({
      messages: rig.stores.messages,
      fleet: rig.fleet,
      clock: rig.clock,
      random: createRealRandom(),
    });
    expect(await rig.settled(logged.messages.append(request))).toEqual({ outcome: "conflict", groupSeq: 3 });
    const good = { ...request, ifGroupSeq: asSeq(3) };
    expect(await rig.settled(logged.messages.append(good))).toEqual({ outcome: "appended", firstSeq: 4, lastSeq: 4 });
  });

  it("cuts a removed member off at another machine, behind the entry that removed him", async () => {
    const room = await openRoom([ben, cat]);
    const annHere = await rig.connect(machine(here), ann);
    const benThere = await rig.connect(machine(there), ben);
    const catThere = await rig.connect(machine(there), cat);
    annHere.sends(room, "before");
    await rig.until(() => benThere.texts(room).length === 1);
    await rig.settled(machine(here).groups.remove(ann, { conversation: room, subject: ben }));
    annHere.sends(room, "after");
    await rig.until(() => catThere.texts(room).length === 2);
    await rig.clock.advance(30_000);
    expect(benThere.texts(room)).toEqual(["before"]);
    expect(benThere.entries(room).at(-1)).toMatchObject({ kind: "member-removed", user: ben });
    expect(benThere.of("ended")).toHaveLength(1);
    benThere.sends(room, "me too");
    await rig.until(() => benThere.of("error").length === 1);
    expect(benThere.of("error")[0]).toMatchObject({ code: "not-a-member" });
  });
});

describe("workers", () => {
  beforeEach(() => open());

  it("share the partitions, and give a third its share when it comes", async () => {
    const room = await openRoom();
    workers.push(rig.startWorker());
    const all = (): number => held().reduce((sum, count) => sum + count);
    await rig.until(() => all() === partitions && held().every((count) => count >= 2 && count <= 3), 2 * leaseMs);
    const benThere = await rig.connect(machine(there), ben);
    const annHere = await rig.connect(machine(here), ann);
    annHere.sends(room, "hello");
    await rig.until(() => benThere.texts(room).length === 1);
  });

  it("take over from one that died within the lease and a second, losing and doubling nothing", async () => {
    const room = await openRoom();
    const benThere = await rig.connect(machine(there), ben);
    const annHere = await rig.connect(machine(here), ann);
    annHere.sends(room, "1");
    await rig.until(() => benThere.texts(room).length === 1);
    const dead = await holderOf(room);
    await dead.stop();
    for (let number = 2; number <= 9; number += 1) annHere.sends(room, String(number));
    await rig.until(() => annHere.of("ack").length === 9);
    expect(benThere.texts(room)).toHaveLength(1);
    await rig.until(() => benThere.texts(room).length === 9, leaseMs + 1_000);
    expect(benThere.texts(room)).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  });

  it("hand over when one drains, without waiting for a lease to run out", async () => {
    const room = await openRoom();
    const benThere = await rig.connect(machine(there), ben);
    const annHere = await rig.connect(machine(here), ann);
    const leaving = await holderOf(room);
    await rig.settled(leaving.drain());
    annHere.sends(room, "hello");
    await rig.until(() => benThere.texts(room).length === 1, leaseMs / 2);
    expect(leaving.gauges.worker.partitionsHeld()).toBe(0);
  });

  it("set aside a record that nobody can read, and go on behind it", async () => {
    const room = await openRoom();
    const benThere = await rig.connect(machine(there), ben);
    const annHere = await rig.connect(machine(here), ann);
    await rig.fleet.log.append(partitionOf(room, partitions), "\u0000 no record");
    annHere.sends(room, "behind it");
    await rig.until(() => benThere.texts(room).length === 1);
    expect((await holderOf(room)).gauges.worker.setAside()).toBe(1);
  });
});

describe("what goes wrong", () => {
  it("a holder that was stalled for longer than its lease is refused by the store", async () => {
    const asleep = Promise.withResolvers<void>();
    let stalled = false;
    let refused = 0;
    await open({
      engines: ({ stores, fleet }) => {
        const image: FleetEngines["image"] = {
          ...fleet.image,
          async apply(batch) {
            if (stalled) {
              stalled = false;
              await asleep.promise;
            }
            return fleet.image.apply(batch).catch((error: unknown) => {
              if (error instanceof Error && error.name === "StaleEpochError") refused += 1;
              throw error;
            });
          },
        };
        return { stores, fleet: { ...fleet, image } };
      },
    });
    const room = await openRoom();
    const benThere = await rig.connect(machine(there), ben);
    const annHere = await rig.connect(machine(here), ann);
    stalled = true;
    const { leases } = rig.fleet;
    const sleeper = await holderOf(room);
    annHere.sends(room, "1");
    await rig.until(() => !stalled);
    // It renews nothing while it sleeps: its leases run out, and are taken by somebody else.
    const renew = leases.renew.bind(leases);
    leases.renew = async (name, lease, ms) => lease.holder !== sleeper.machine && (await renew(name, lease, ms));
    const acquire = leases.acquire.bind(leases);
    leases.acquire = async (name, holder, ms) => (holder === sleeper.machine ? undefined : acquire(name, holder, ms));
    await rig.until(() => benThere.texts(room).length === 1, leaseMs + 1_000);
    asleep.resolve();
    await rig.clock.advance(100);
    expect(refused).toBe(1);
    annHere.sends(room, "2");
    await rig.until(() => benThere.texts(room).length === 2);
    expect(benThere.texts(room)).toEqual(["1", "2"]);
  });

  it("a machine that loses every push is made whole by the heads it is told", async () => {
    let heads = 0;
    await open({
      lose: (message) => {
        if (message.tell === "heads") heads += 1;
        return message.tell === "delivery";
      },
    });
    const room = await openRoom();
    const benThere = await rig.connect(machine(there), ben);
    await rig.clock.advance(0);
    await rig.settled(
      machine(here).sendService.send(ann, { conversation: room }, { message_id: asMessageId("m"), text: "hi" }),
    );
    await rig.until(() => benThere.texts(room).length === 1, 2_000);
    await rig.clock.advance(5_000);
    expect(heads).toBeGreaterThan(1);
  });

  it("a session hears of a group that its user came into, though the word of it was lost", async () => {
    let failing = false;
    await open({
      lose: ({ tell }) => tell === "delivery" || tell === "access-changed",
      engines: ({ stores, fleet }) => ({
        fleet,
        stores: {
          ...stores,
          memberships: {
            ...stores.memberships,
            async conversationsOf(user, options) {
              if (failing && user === cat) throw new TidingsError("unavailable");
              return stores.memberships.conversationsOf(user, options);
            },
          },
        },
      }),
    });
    // What a machine knows of somebody before him cannot be read: that holds up nobody.
    await rig.connect(machine(there), cat);
    failing = true;
    await rig.clock.advance(20_000);
    const benThere = await rig.connect(machine(there), ben);
    const room = await openRoom();
    await rig.until(() => benThere.of("joined").length === 1, 25_000);
    expect(benThere.of("joined")[0]?.state.conversation).toBe(room);
  });

  it.each([
    ["nobody at its machine sees the removal", false],
    ["others at its machine see the removal", true],
  ])("a session whose user is removed while it says hello gets nothing behind it: %s", async (_case, others) => {
    const gate = Promise.withResolvers<void>();
    let slow = false;
    await open({
      lose: (message) => message.tell === "access-changed",
      engines: ({ stores, fleet }) => ({
        fleet,
        stores: {
          ...stores,
          markers: {
            ...stores.markers,
            async markers(user, conversations) {
              if (user === ben && slow) {
                slow = false;
                await gate.promise;
              }
              return stores.markers.markers(user, conversations);
            },
          },
        },
      }),
    });
    const room = await openRoom([ben, cat]);
    if (others) await rig.connect(machine(there), cat);
    slow = true;
    // Ben's states are read, and wait.
    const benThere = await rig.connect(machine(there), ben, { [room]: asSeq(1) });
    expect(slow).toBe(false);
    await rig.settled(machine(here).groups.remove(ann, { conversation: room, subject: ben }));
    const annHere = await rig.connect(machine(here), ann);
    annHere.sends(room, "after");
    await rig.until(() => annHere.texts(room).length === 1);
    const catThere = await rig.connect(machine(there), cat);
    gate.resolve();
    await rig.until(() => benThere.of("welcome").length === 1);
    annHere.sends(room, "later");
    await rig.until(() => catThere.texts(room).includes("later"));
    await rig.clock.advance(30_000);
    expect(benThere.texts(room)).toEqual([]);
    expect(benThere.of("welcome")[0]?.conversations).toEqual([]);
    expect(benThere.of("heads").flatMap(({ heads }) => Object.keys(heads))).toEqual([]);
  });

  it("a message that the log refuses is refused, and taken when it is sent again", async () => {
    let refusing = false;
    await open({
      engines: ({ stores, fleet }) => ({
        stores,
        fleet: {
          ...fleet,
          log: {
            ...fleet.log,
            append: (partition, body) =>
              refusing ? Promise.reject(new TidingsError("unavailable")) : fleet.log.append(partition, body),
          },
        },
      }),
    });
    const room = await openRoom();
    const annHere = await rig.connect(machine(here), ann);
    refusing = true;
    annHere.sends(room, "1", "m1");
    annHere.sends(room, "2", "m2");
    await rig.until(() => annHere.of("error").length === 2);
    refusing = false;
    annHere.sends(room, "1", "m1");
    annHere.sends(room, "2", "m2");
    await rig.until(() => annHere.texts(room).length === 2);
    expect(annHere.texts(room)).toEqual(["1", "2"]);
  });
});
