import { expect } from "vitest";
import type { IssuedSend } from "../clients/sim-client.ts";
import { userAt, usersAt } from "./people.ts";
import { allHave, begin, hearLink, machine, story, usersOf } from "./testing.ts";

/** The design's 4.9 and 4.11: machines that die and drain. Guarantee: G11. */

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

story(
  "more come back at once than a machine admits: all are served in their time, and who is new does not wait for them",
  { machines: 2, resumesPerSecond: 10 },
  async (world) => {
    const people = usersAt(world, { prefix: "p", count: 60, homes: [machine(world, 1)] });
    const sender = userAt(world, "sender", machine(world, 2));
    const room = world.group("room", usersOf([sender, ...people]));
    await begin(world);
    const late = userAt(world, "late", machine(world, 2));
    const cameMs: number[] = [];
    world.watch.on((client, event) => {
      if (event.type === "welcome" && client !== late) cameMs.push(world.timeline.nowMs);
    });

    world.crash(machine(world, 1));
    const send = sender.sends({ conversation: room }, "are you there?");
    await world.run(2_000);
    late.start();
    await world.until(() => late.isLive, 500);
    expect(people.filter((one) => !one.isLive).length).toBeGreaterThan(people.length / 4);
    await world.until(() => allHave(world, people, [send]), 30_000);

    expect(cameMs).toHaveLength(people.length);
    // A second's worth at once, and what comes in a second.
    for (const beganMs of cameMs) {
      expect(cameMs.filter((ms) => ms >= beganMs && ms < beganMs + 1_000).length).toBeLessThanOrEqual(21);
    }
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

const machineLeaseMs = 5_000;
