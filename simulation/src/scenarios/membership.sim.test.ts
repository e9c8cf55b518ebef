import type { ConversationId, Entry, UserId } from "@tidings/protocol";
import { expect } from "vitest";
import type { IssuedSend, SimClient } from "../clients/sim-client.ts";
import type { World } from "../world/world.ts";
import { at } from "./group-call-at.ts";
import { movesTo, userAt, usersAt } from "./people.ts";
import { allHave, begin, has, hearEntries, holderOf, machine, story, usersOf } from "./testing.ts";

/** Who is in a group, while everything that is asked for goes through the log and several machines ask at the same time. */

story("a removed member who is connected at another machine is given nothing after his removal", {}, async (world) => {
  const { owner, bob, eve, room } = await threeInARoom(world);
  const heard = hearEntries(world);
  const before = owner.sends({ conversation: room }, "before");
  await world.until(() => allHave(world, [bob, eve], [before]), 1_000);

  const sends: IssuedSend[] = [];
  const removal = world.groups(owner, (groups) => groups.remove(owner.user, { conversation: room, subject: eve.user }));
  for (let count = 0; count < 20; count += 1) {
    sends.push(bob.sends({ conversation: room }, `around it ${count}`));
    await world.run(2);
  }
  await world.finish(removal);
  await world.until(() => allHave(world, [owner, bob], sends), 1_000);
  await world.run(3_000);
  expect(lastHeard(heard, eve)).toMatchObject({ kind: "member-removed", user: eve.user });
  expect(eve.held.get(room)).toBe(endOf(world, room, eve.user));
});

story("nor if the push of his removal is lost, nor when he comes back at a third machine", {}, async (world) => {
  const { owner, bob, eve, room } = await threeInARoom(world);
  world.cut(await holderOf(world, room), machine(world, 3), "one-way");
  await world.finish(
    world.groups(owner, (groups) => groups.remove(owner.user, { conversation: room, subject: eve.user })),
  );
  const secret = bob.sends({ conversation: room }, "not for eve");
  await world.until(() => allHave(world, [owner, bob], [secret]), 1_000);
  world.heal();
  await world.run(3_000);
  expect(eve.held.get(room)).toBe(endOf(world, room, eve.user));

  movesTo(eve, machine(world, 4));
  eve.crash();
  eve.start();
  await world.until(() => eve.isLive, 3_000);
  await world.run(1_000);
  expect(eve.held.get(room)).toBe(endOf(world, room, eve.user));
  expect(has(world, eve, secret)).toBe(false);
});

story("what a removed member sends is refused, also at a machine that has not heard of it", {}, async (world) => {
  const { owner, bob, eve, room } = await threeInARoom(world);
  const early = eve.sends({ conversation: room }, "still in");
  await world.until(() => has(world, bob, early), 1_000);
  await world.finish(
    world.groups(owner, (groups) => groups.remove(owner.user, { conversation: room, subject: eve.user })),
  );
  // A right that a machine remembers lives five seconds where nobody tells it otherwise.
  await world.run(rightLivesMs);
  const late = eve.sends({ conversation: room }, "out");
  await world.until(() => late.refused !== undefined, 2_000);
  expect(late.refused?.code).toBe("not-a-member");
  expect(late.ackedAtMs).toBeUndefined();
});

story(
  "who joins at one machine and sends at another at once is believed, and everybody hears him",
  {},
  async (world) => {
    const people = usersAt(world, { prefix: "p", count: 5, homes: world.machines });
    const room = world.group("room", usersOf(people));
    const late = userAt(world, "late", machine(world, 2));
    await begin(world);
    // His home has heard that he is none.
    const refused = late.sends({ conversation: room }, "not in yet");
    await world.until(() => refused.refused !== undefined, 1_000);
    await world.finish(at(world, machine(world, 5), late, (groups) => groups.join(late.user, room)));
    const send = late.sends({ conversation: room }, "hello, I am new");
    await world.until(() => allHave(world, [...people, late], [send]), 2_000);
    expect(send.refused).toBeUndefined();
  },
);

story(
  "a membership that was applied just before its worker died counts: the next holder folds it",
  {},
  async (world) => {
    const people = usersAt(world, { prefix: "p", count: 4, homes: world.machines });
    const room = world.group("room", usersOf(people));
    const late = userAt(world, "late", machine(world, 5));
    await begin(world);
    const joining = world.groups(late, (groups) => groups.join(late.user, room));
    joining.catch(() => undefined);
    const holder = await holderOf(world, room);
    await world.until(() => world.watch.truth.stayNow(room, late.user) !== undefined, 2_000);
    world.crash(holder);

    const send = (people[0] as SimClient).sends({ conversation: room }, "welcome");
    await world.until(() => allHave(world, [...people, late], [send]), 4_000);
    await world.finish(joining);
  },
);

async function threeInARoom(world: World) {
  const owner = userAt(world, "owner", machine(world, 1));
  const bob = userAt(world, "bob", machine(world, 2));
  const eve = userAt(world, "eve", machine(world, 3));
  const room = world.group("room", usersOf([owner, bob, eve]));
  await begin(world);
  return { owner, bob, eve, room };
}

/** Where his stay ended. */
const endOf = ({ watch }: World, room: ConversationId, user: UserId) => watch.truth.stays(room, user).at(-1)?.endedSeq;

function lastHeard(heard: ReturnType<typeof hearEntries>, client: SimClient): Entry | undefined {
  return heard
    .filter((one) => one.client === client)
    .at(-1)
    ?.entries.at(-1);
}

const rightLivesMs = 5_500;
