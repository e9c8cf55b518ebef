import { TidingsError } from "@tidings/protocol";
import { expect } from "vitest";
import type { SimMachine } from "../fleet/sim-machine.ts";
import { at } from "./group-call-at.ts";
import { userAt, usersAt } from "./people.ts";
import { allHave, begin, has, holderOf, holders, machine, story, usersOf } from "./testing.ts";

/** The design's 4.2 and 4.11: workers that drain, join, and die, and whose leases are not answered for. Guarantee: G11. */

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
    silence.about = `workers/present/${world.workers[1]?.machine?.machine}`;
    await world.until(() => silence.about === "", workerLeaseMs);
    for (let tenth = 0; tenth < 30; tenth += 1) {
      await world.run(100);
      expect(await holders(world)).toEqual(before);
    }
  },
);

const answers = { areLost: false };

story(
  "a partition whose taking was answered to nobody is worked on all the same, by its holder or by another one",
  {
    fault: {
      name: "lost-taking",
      mistake: "A partition is taken, and the answer is lost.",
      ports(ports) {
        const { leases } = ports.fleet;
        const acquireUnder: typeof leases.acquireUnder = async (name, under) => {
          const lease = await leases.acquireUnder(name, under);
          if (answers.areLost) throw new TidingsError("unavailable");
          return lease;
        };
        return { ...ports, fleet: { ...ports.fleet, leases: { ...leases, acquireUnder } } };
      },
    },
  },
  async (world) => {
    answers.areLost = false;
    const people = usersAt(world, { prefix: "p", count: 4, homes: world.machines });
    const rooms = Array.from({ length: 6 }, (_, index) => world.group(`room${index}`, usersOf(people)));
    await begin(world);
    const [first] = world.workers;
    answers.areLost = true;
    first?.drain();
    await world.until(() => first?.process === undefined, workerLeaseMs);
    await world.run(workerLeaseMs / 2);
    // Those to whom its partitions were given without their knowing should not hold all of them any more.
    first?.start();
    await world.run(workerLeaseMs / 2);
    answers.areLost = false;
    await world.run(workerLeaseMs);
    const sends = rooms.map((conversation) => people[0]?.sends({ conversation }, "anybody there?"));
    await world.until(
      () =>
        allHave(
          world,
          people,
          sends.filter((send) => send !== undefined),
        ),
      500,
    );
  },
);

const deadly = { place: "", die: (): void => undefined };

story(
  "a worker dies between storing who joined and noting it in the Group DB, and nobody says anything more there",
  {
    fault: {
      name: "dies-before-fold",
      mistake: "None: a process dies where it hurts.",
      ports(ports, { process }) {
        const { groups } = ports.stores;
        const apply: typeof groups.apply = async (conversation, changes) => {
          if (process.place === deadly.place) deadly.die();
          return groups.apply(conversation, changes);
        };
        return { ...ports, stores: { ...ports.stores, groups: { ...groups, apply } } };
      },
    },
  },
  async (world) => {
    deadly.place = "";
    const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
    const asked = machine(world, 3);
    const room = world.group("room", usersOf([alice]));
    await begin(world);
    const holder = await holderOf(world, room);
    deadly.die = () => {
      deadly.place = "";
      world.crash(holder);
      world.crash(asked);
    };
    deadly.place = holder.place;
    void at(world, asked, bob, (groups) => groups.join(bob.user, room)).catch(() => undefined);
    await world.until(() => deadly.place === "", 1_000);
    // What he came into is brought to his open session.
    await world.until(() => bob.held.get(room) === world.watch.truth.head(room), 10_000);
  },
);

for (const what of ["store", "log"] as const) {
  story(
    `a worker that reaches its leases and not the ${what} leaves its partitions to others, for as long as that lasts`,
    {},
    async (world) => {
      const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
      const room = world.group("room", usersOf([alice, bob]));
      await begin(world);
      const lonely = await holderOf(world, room);
      world.cut(lonely, world.servers[what]);
      await world.run(200);
      const send = alice.sends({ conversation: room }, "who takes this?");
      await world.until(() => allHave(world, [alice, bob], [send]), 5 * workerLeaseMs);
      expect(shareOf(await holders(world), lonely)).toBe(0);

      world.heal();
      await world.run(3 * workerLeaseMs);
      expect(shareOf(await holders(world), lonely)).toBeGreaterThan(0);
    },
  );
}

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
