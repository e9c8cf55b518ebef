import type { ConversationId, MachineId } from "@tidings/protocol";
import { expect } from "vitest";
import type { SimClient } from "../clients/sim-client.ts";
import type { World } from "../world/world.ts";
import { movesTo, userAt, usersAt } from "./people.ts";
import { allHave, begin, has, hearEntries, hearLink, holderOf, machine, story, usersOf } from "./testing.ts";

/** The design's 4.3 to 4.6: what is told to machines and to sockets, and how a loss on the way is noticed and repaired. */

story("a message in a group whose ten members are at two machines makes two deliveries", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 10, homes: [machine(world, 1), machine(world, 2)] });
  const room = world.group("room", usersOf(people));
  await begin(world);
  expect(await toldOf(world, people[0], room)).toEqual([idOf(world, 1), idOf(world, 2)].sort());
});

story(
  "a member who connects at a third machine makes a third delivery, and none when he is gone",
  {},
  async (world) => {
    const people = usersAt(world, { prefix: "p", count: 10, homes: [machine(world, 1), machine(world, 2)] });
    const room = world.group("room", usersOf(people));
    const late = userAt(world, "late", machine(world, 3));
    const [first] = people;
    await world.start();
    for (const one of people) one.start();
    await world.run(settleMs);
    expect(await toldOf(world, first, room)).toHaveLength(2);
    // Whoever is no member makes none.
    late.start();
    await world.run(settleMs);
    expect(await toldOf(world, first, room)).toHaveLength(2);

    await world.finish(world.groups(late, (groups) => groups.join(late.user, room)));
    await world.run(settleMs);
    expect(await toldOf(world, first, room)).toEqual([1, 2, 3].map((number) => idOf(world, number)).sort());

    late.crash();
    await world.run(rowLingersMs + settleMs);
    expect(await toldOf(world, first, room)).toHaveLength(2);
  },
);

story("many messages at once come to a socket as few ranges, one message as one", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 20, homes: [machine(world, 1), machine(world, 2)] });
  const room = world.group("room", usersOf(people));
  await begin(world);
  const heard = hearEntries(world);
  const single = (people[0] as SimClient).sends({ conversation: room }, "one");
  await world.until(() => allHave(world, people, [single]), 100);
  expect(heard).toHaveLength(people.length);
  await world.run(500);
  heard.length = 0;

  const sends = people.flatMap((one) => [1, 2, 3, 4, 5].map((index) => one.sends({ conversation: room }, `${index}`)));
  await world.until(() => allHave(world, people, sends), 1_000);

  for (const one of people) {
    const ranges = heard.filter(({ client }) => client === one).map(({ entries }) => entries.map(({ seq }) => seq));
    expect(ranges.length).toBeLessThan(sends.length / 4);
    const seqs = ranges.flat();
    expect(seqs).toEqual(Array.from({ length: sends.length }, (_, index) => (seqs[0] ?? 0) + index));
  }
});

story("a lost push is noticed by the next one: the hole is read from the store at once", {}, async (world) => {
  const { alice, bob, room } = await twoInARoom(world);
  const holder = await holderOf(world, room);
  const lost = alice.sends({ conversation: room }, "lost on its way");
  world.cut(holder, machine(world, 2), "one-way");
  await world.until(() => has(world, alice, lost), 200);
  world.heal();
  expect(has(world, bob, lost)).toBe(false);

  const next = alice.sends({ conversation: room }, "next");
  expect(await world.until(() => allHave(world, [bob], [lost, next]), 2_000)).toBeLessThan(60);
});

story("pushes that are lost are repaired within two seconds, also if nothing more is sent", {}, async (world) => {
  const { alice, bob, room } = await twoInARoom(world);
  const holder = await holderOf(world, room);
  world.cut(holder, machine(world, 2), "one-way");
  const sends = [1, 2, 3].map((index) => alice.sends({ conversation: room }, `lost ${index}`));
  await world.until(() => allHave(world, [alice], sends), 500);
  world.heal();
  await world.until(() => allHave(world, [bob], sends), 2_000);
});

const blindness = { isOn: false };

story(
  "a machine whose own checks see nothing is made whole by the heads that workers tell",
  {
    fault: {
      name: "blind-checks",
      mistake: "A machine that asks for heads is not answered; what it is told of, it can read.",
      ports(ports, { process }) {
        const { messages } = ports.stores;
        const heads: typeof messages.heads = (conversations) =>
          blindness.isOn && process.place === "machine-2"
            ? new Promise(() => undefined)
            : messages.heads(conversations);
        return { ...ports, stores: { ...ports.stores, messages: { ...messages, heads } } };
      },
    },
  },
  async (world) => {
    blindness.isOn = false;
    const { alice, bob, room } = await twoInARoom(world);
    const holder = await holderOf(world, room);
    const sent = hearLink(world);
    blindness.isOn = true;
    world.cut(holder, machine(world, 2), "one-way");
    const lost = alice.sends({ conversation: room }, "lost on its way");
    await world.until(() => has(world, alice, lost), 200);
    await world.run(20);
    world.heal();
    expect(has(world, bob, lost)).toBe(false);

    expect(await world.until(() => has(world, bob, lost), 2_000)).toBeGreaterThan(500);
    await world.run(3_000);
    const told = sent.filter(
      ({ machine: to, message }) => to === idOf(world, 2) && message.tell === "heads" && room in message.heads,
    );
    expect(told.length).toBeGreaterThanOrEqual(2);
    blindness.isOn = false;
    // What was asked meanwhile is never answered.
    world.crash(machine(world, 2));
  },
);

story("a machine that no worker reaches finds what it lacks on its own slow clock", {}, async (world) => {
  const { alice, bob, room } = await twoInARoom(world);
  for (const worker of world.workers) world.cut(worker, machine(world, 2), "one-way");
  const lost = [1, 2, 3].map((index) => alice.sends({ conversation: room }, `lost ${index}`));
  await world.until(() => allHave(world, [alice], lost), 500);
  expect(allHave(world, [bob], lost)).toBe(false);
  // A walk begins every two seconds, and it looks once a second.
  await world.until(() => allHave(world, [bob], lost), 4_000);
});

story("a network that loses a tenth of everything and repeats as much shows no client a hole", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 10, homes: world.machines });
  const room = world.group("room", usersOf(people));
  await begin(world);
  world.network.weather = { ...world.network.weather, lostPerMille: 100, doubledPerMille: 100 };
  const heard = hearEntries(world);
  for (let round = 0; round < 100; round += 1) {
    for (const one of people.slice(0, 3)) one.sends({ conversation: room }, `round ${round}`);
    await world.run(100);
  }
  expect(heard.length).toBeGreaterThan(0);
  for (const one of people) {
    const seqs = heard.filter(({ client }) => client === one).flatMap(({ entries }) => entries.map(({ seq }) => seq));
    expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
  }
});

story("a device that moves to another machine is found there with the next message", {}, async (world) => {
  const { alice, bob, room } = await twoInARoom(world);
  movesTo(bob, machine(world, 4));
  bob.crash();
  bob.start();
  await world.until(() => bob.isLive, 2_000);
  await world.run(100);
  const send = alice.sends({ conversation: room }, "hi");
  expect(await world.until(() => has(world, bob, send), 2_000)).toBeLessThan(60);
});

async function twoInARoom(world: World) {
  const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
  const room = world.group("room", usersOf([alice, bob]));
  await begin(world);
  return { alice, bob, room };
}

/** The machines that are told of one message, one for each delivery. */
async function toldOf(world: World, sender: SimClient | undefined, room: ConversationId): Promise<MachineId[]> {
  const sent = hearLink(world);
  const send = sender?.sends({ conversation: room }, "who hears of this?");
  await world.until(() => send !== undefined && sender !== undefined && has(world, sender, send), 500);
  await world.run(50);
  return sent
    .filter(({ message }) => message.tell === "delivery" && message.delivery.conversation === room)
    .map(({ machine: to }) => to)
    .sort();
}

const idOf = (world: World, number: number) => machine(world, number).machine?.machine as MachineId;

const settleMs = 1_500;
/** For a poller who comes back, a row outlives its use by this. */
const rowLingersMs = 30_000;
