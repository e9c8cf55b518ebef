import { expect } from "vitest";
import type { IssuedSend, SimClient } from "../clients/sim-client.ts";
import { fairWeather } from "../kernel/network.ts";
import type { World } from "../world/world.ts";
import { movesTo, slowSessionBytes, userAt, usersAt } from "./people.ts";
import { allHave, begin, has, hearEntries, machine, seqOf, story, usersOf } from "./testing.ts";

/** The design's 4.7 and 4.8: who connects, comes back late, or is slow. Guarantees: G6, G8. */

story(
  "a message that is sent while a client connects is not missed, whenever in that time it comes",
  {},
  async (world) => {
    expect(await latestAfterLive(world, { count: 80, stepMs: 0.25 })).toBeLessThan(1_600);
  },
);

story(
  "nor on a network on which a connection takes half a second and messages overtake each other",
  {},
  async (world) => {
    world.network.weather = { ...fairWeather, delayMsMin: 5, delayMsMean: 30, latePerMille: 100, lateMsMax: 300 };
    expect(await latestAfterLive(world, { count: 80, stepMs: 10 })).toBeLessThan(2_500);
  },
);

story(
  "a device that comes back after long, at another machine, gets all that it missed, in order",
  {},
  async (world) => {
    const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
    const room = world.group("room", usersOf([alice, bob]));
    await begin(world);
    bob.crash();
    const sends: IssuedSend[] = [];
    for (let minute = 0; minute < 3; minute += 1) {
      for (let count = 0; count < 100; count += 1) sends.push(alice.sends({ conversation: room }, "x".repeat(500)));
      await world.run(60_000);
    }
    const heard = hearEntries(world);
    // The machine that it was at is not there any more, either.
    world.crash(machine(world, 2));
    movesTo(bob, machine(world, 5));
    bob.start();
    await world.until(() => allHave(world, [bob], sends), 3_000);
    const texts = heard.filter(({ client }) => client === bob).flatMap(({ entries }) => entries);
    expect(texts).toHaveLength(sends.length);
  },
);

story("a slow receiver is not dropped: it gets heads instead of bodies, and all in the end", {}, async (world) => {
  const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
  const slow = userAt(world, "slow", machine(world, 2));
  slow.bytesPerMs = 3;
  const room = world.group("room", usersOf([alice, bob, slow]));
  await begin(world);
  const connections: SimClient[] = [];
  world.watch.on((client, event) => {
    if (event.type === "state" && event.state !== "live") connections.push(client);
  });
  const sends: IssuedSend[] = [];
  for (let count = 0; count < 150; count += 1) {
    sends.push(alice.sends({ conversation: room }, "x".repeat(1_000)));
    await world.run(25);
  }
  // Who is beside it at the same machine does not wait for it.
  await world.until(() => allHave(world, [bob], sends), 300);
  expect(allHave(world, [slow], sends)).toBe(false);
  expect(machine(world, 2).machine?.receive.gauges.downgrades()).toBeGreaterThan(0);

  // 150 kB at 3 kB a second.
  await world.until(() => allHave(world, [slow], sends), 80_000);
  expect(connections).toEqual([]);
  expect(unsentMost(world, slow)).toBeLessThan(unsentBytesMax);
});

story("a receiver that takes in nothing at all costs its machine a bounded number of bytes", {}, async (world) => {
  const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
  const rooms = [1, 2, 3, 4].map((number) => world.group(`room${number}`, usersOf([alice, bob])));
  await begin(world);
  bob.process?.stall(20_000);
  const sends: IssuedSend[] = [];
  for (let count = 0; count < 60; count += 1) {
    for (const room of rooms) sends.push(alice.sends({ conversation: room }, "x".repeat(1_000)));
    await world.run(100);
  }
  await world.until(() => sends.every(({ ackedAtMs }) => ackedAtMs !== undefined), 20_000);
  expect(unsentMost(world, bob)).toBeLessThan(unsentBytesMax);
  await world.until(() => allHave(world, [bob], sends), 60_000);
});

/**
 * Lets one client after the other connect, each with a message to it that comes a bit later than the one before; answers how
 * long after it was live the last of them had its message.
 */
async function latestAfterLive(world: World, sweep: { count: number; stepMs: number }): Promise<number> {
  const sender = userAt(world, "sender", machine(world, 1));
  const people = usersAt(world, { prefix: "p", count: sweep.count, homes: world.machines.slice(1) });
  const rooms = people.map((one, index) => world.group(`room${index}`, usersOf([sender, one])));
  await world.start();
  sender.start();
  await world.until(() => sender.isLive, 10_000);
  await world.run(1_500);

  const { timeline } = world;
  const liveMs = new Map<SimClient, number>();
  world.watch.on((client, event) => {
    if (event.type === "state" && event.state === "live") liveMs.set(client, timeline.nowMs);
  });
  let latestMs = 0;
  for (const [index, one] of people.entries()) {
    one.start();
    await world.run(index * sweep.stepMs);
    const conversation = rooms[index];
    if (conversation === undefined) continue;
    const send = sender.sends({ conversation }, "just now");
    await world.until(() => has(world, one, send), 10_000);
    const laterMs = timeline.nowMs - Math.max(liveMs.get(one) ?? 0, send.issuedAtMs);
    expect(seqOf(world, send)).toBeDefined();
    latestMs = Math.max(latestMs, laterMs);
  }
  return latestMs;
}

/** The most that was ever unsent to a device. */
function unsentMost({ sockets }: World, client: SimClient): number {
  const own = [...sockets].filter((socket) => socket.client.place === client.place);
  return Math.max(...own.map(({ unsentBytesMost }) => unsentBytesMost));
}

/** The bound itself, and on top one piece of a sync, with its last entry. */
const unsentBytesMax = slowSessionBytes + 68 * 1_024;
