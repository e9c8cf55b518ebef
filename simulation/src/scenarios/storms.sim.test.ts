import { TidingsError } from "@tidings/protocol";
import { expect } from "vitest";
import type { IssuedSend } from "../clients/sim-client.ts";
import type { SimMachine } from "../fleet/sim-machine.ts";
import {
  allHave,
  begin,
  has,
  hearLink,
  holderOf,
  holders,
  machine,
  story,
  userAt,
  usersAt,
  usersOf,
} from "./testing.ts";

/** The design's 4.9 and 4.11: machines and workers that die, drain and join. */

story("a machine dies: its clients are served elsewhere within three seconds", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 20, homes: [machine(world, 1)] });
  const sender = userAt(world, "sender", machine(world, 2));
  const room = world.group("room", usersOf([sender, ...people]));
  await begin(world);

  world.crash(machine(world, 1));
  const send = sender.sends({ conversation: room }, "are you there?");
  expect(await world.until(() => allHave(world, people, [send]))).toBeLessThan(3_000);
});

story("its rows are void at once: after its lease no worker sends anything to it", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 6, homes: [machine(world, 1), machine(world, 2)] });
  const [sender] = usersAt(world, { prefix: "sender", count: 1, homes: [machine(world, 2)] });
  const room = world.group("room", usersOf([...people, ...(sender === undefined ? [] : [sender])]));
  await begin(world);
  const dead = machine(world, 1).machine?.machine;
  const sent = hearLink(world);
  sender?.sends({ conversation: room }, "while it lives");
  await world.run(100);
  expect(sent.some((one) => one.machine === dead)).toBe(true);

  world.crash(machine(world, 1));
  await world.run(machineLeaseMs + 500);
  sent.length = 0;
  sender?.sends({ conversation: room }, "when it is forgotten");
  await world.run(3_000);
  expect(sent.some(({ message }) => message.tell === "delivery")).toBe(true);
  expect(sent.filter((one) => one.machine === dead)).toEqual([]);
});

story(
  "a machine drains: its clients leave over the drain's time, not at once, and miss nothing",
  { drainMs: 10_000 },
  async (world) => {
    const people = usersAt(world, { prefix: "p", count: 40, homes: [machine(world, 1)] });
    const sender = userAt(world, "sender", machine(world, 2));
    const room = world.group("room", usersOf([sender, ...people]));
    await begin(world);
    const cameMs: number[] = [];
    const beganMs = world.timeline.nowMs;
    world.watch.on((_, event) => {
      if (event.type === "welcome") cameMs.push(world.timeline.nowMs - beganMs);
    });

    machine(world, 1).drain();
    const sends: IssuedSend[] = [];
    for (let count = 0; count < 60; count += 1) {
      const send = sender.sends({ conversation: room }, `while you move ${count}`);
      sends.push(send);
      await world.run(200);
    }
    await world.until(() => allHave(world, people, sends), 2_000);
    await world.until(() => machine(world, 1).process === undefined, 5_000);

    expect(cameMs).toHaveLength(people.length);
    // A fifth of the time sees about a fifth of them.
    for (let fifth = 0; fifth < 5; fifth += 1) {
      const inIt = cameMs.filter((ms) => ms >= fifth * 2_000 && ms < (fifth + 1) * 2_000);
      expect(inIt.length).toBeLessThan(people.length / 2);
    }
    expect(Math.max(...cameMs)).toBeLessThan(13_000);
  },
);

story("what a draining machine took it stores", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 10, homes: [machine(world, 1)] });
  const room = world.group("room", usersOf(people));
  await begin(world);
  const sends = people.flatMap((one) => [1, 2, 3].map((index) => one.sends({ conversation: room }, `${index}`)));
  machine(world, 1).drain();
  await world.run(1);
  sends.push(...people.map((one) => one.sends({ conversation: room }, "and one more")));
  await world.until(() => allHave(world, people, sends), 3_000);
});

story("a worker that drains hands its partitions over without waiting for a lease", {}, async (world) => {
  const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
  const room = world.group("room", usersOf([alice, bob]));
  await begin(world);
  const leaving = await holderOf(world, room);
  const sends = [1, 2, 3].map((index) => alice.sends({ conversation: room }, `before ${index}`));
  await world.run(3);

  leaving.drain();
  // Its last batch may hold what came until now.
  await world.run(20);
  sends.push(alice.sends({ conversation: room }, "meanwhile"));
  // The others look thrice in a lease's time.
  expect(await world.until(() => allHave(world, [alice, bob], sends))).toBeLessThan(workerLeaseMs / 3 + 100);
  expect(await holderOf(world, room)).not.toBe(leaving);
  await world.until(() => leaving.process === undefined, 1_000);
});

story(
  "a worker that joins moves little more than its own share, and nothing waits for a lease",
  { workers: 4, partitions: 24 },
  async (world) => {
    const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
    const rooms = Array.from({ length: 24 }, (_, index) => world.group(`room${index}`, usersOf([alice, bob])));
    const late = world.workers[3] as SimMachine;
    for (const one of [...world.machines, ...world.workers]) if (one !== late) one.start();
    await world.run(2_500);
    for (const client of world.clients) client.start();
    await world.run(2_000);
    const before = await holders(world);
    expect(before.size).toBe(24);

    late.start();
    const waitedMs: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const sends = rooms.map((conversation) => alice.sends({ conversation }, `round ${round}`));
      waitedMs.push(await world.until(() => sends.every((send) => has(world, bob, send)), 5_000));
      // Within what one user may send.
      await world.run(500);
    }
    const after = await holders(world);

    const moved = [...after].filter(([partition, holder]) => before.get(partition) !== holder);
    const gained = shareOf(after, late);
    expect(gained).toBeGreaterThanOrEqual(2);
    expect(gained).toBeLessThanOrEqual(6);
    // Where the even share is full, some move between the others: fewer than come to the new one.
    expect(moved.length - gained).toBeLessThan(gained);
    expect(Math.max(...waitedMs)).toBeLessThan(workerLeaseMs);
  },
);

const silence = { about: "" };

story(
  "a renewal that is not answered makes nobody lose a lease",
  {
    fault: {
      name: "silent-renewal",
      mistake: "One question about a lease is lost, and its driver waits a second for the answer.",
      ports(ports, { process }) {
        const { leases } = ports.fleet;
        const renew: typeof leases.renew = async (name, lease, leaseMs) => {
          if (name !== silence.about) return leases.renew(name, lease, leaseMs);
          silence.about = "";
          await process.clock.sleep(workerLeaseMs);
          throw new TidingsError("unavailable");
        };
        return { ...ports, fleet: { ...ports.fleet, leases: { ...leases, renew } } };
      },
    },
  },
  async (world) => {
    silence.about = "";
    await begin(world);
    const before = await holders(world);
    expect(before.size).toBe(world.partitions);
    silence.about = "partition/2";
    await world.until(() => silence.about === "", workerLeaseMs);
    for (let tenth = 0; tenth < 30; tenth += 1) {
      await world.run(100);
      expect(await holders(world)).toEqual(before);
    }
  },
);

story("every worker dies: whoever comes next goes on where they stopped", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 6, homes: world.machines });
  const rooms = Array.from({ length: 6 }, (_, index) => world.group(`room${index}`, usersOf(people)));
  await begin(world);
  const sends = rooms.flatMap((conversation) => people.map((one) => one.sends({ conversation }, "before")));
  await world.run(4);
  for (const worker of world.workers) world.crash(worker);
  sends.push(...rooms.flatMap((conversation) => people.map((one) => one.sends({ conversation }, "meanwhile"))));
  await world.run(4_000);
  const [next] = world.workers;
  next?.start();
  await world.until(() => allHave(world, people, sends), 3_000);
});

function shareOf(held: Awaited<ReturnType<typeof holders>>, worker: SimMachine): number {
  return [...held.values()].filter((holder) => holder === worker).length;
}

const workerLeaseMs = 1_000;
const machineLeaseMs = 5_000;
