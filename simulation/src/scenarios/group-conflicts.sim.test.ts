import type { GroupStore } from "@tidings/core";
import type { ConversationId, Entry, TidingsError } from "@tidings/protocol";
import { expect } from "vitest";
import type { SimClient } from "../clients/sim-client.ts";
import type { World } from "../world/world.ts";
import { at } from "./group-call-at.ts";
import { usersAt } from "./people.ts";
import { begin, machine, story, usersOf } from "./testing.ts";

/** Changes of one group that are asked for at several machines at the same time. */

story(
  "changes of one group that conflict at two machines are done one after the other, each once",
  {},
  async (world) => {
    const owners = usersAt(world, { prefix: "o", count: 2, homes: [machine(world, 1), machine(world, 2)] });
    const others = usersAt(world, { prefix: "p", count: 8, homes: world.machines });
    const [first, second] = owners as [SimClient, SimClient];
    const room = world.group("room", usersOf([...owners, ...others]));
    await begin(world);
    await world.finish(
      world.groups(first, (groups) =>
        groups.changeRole(first.user, { conversation: room, subject: second.user, role: "owner" }),
      ),
    );

    const changes = others.flatMap(({ user: subject }) =>
      owners.map((one, index) =>
        at(world, machine(world, index + 1), one, (groups) => groups.remove(one.user, { conversation: room, subject })),
      ),
    );
    const ends = await world.finish(Promise.allSettled(changes));
    await world.run(500);

    const removals = entriesOf(world, room).filter(({ kind }) => kind === "member-removed");
    expect(removals).toHaveLength(others.length);
    // Whoever came second did nothing, or was told that the group kept changing.
    for (const end of ends) {
      if (end.status === "rejected") expect((end.reason as TidingsError).code).toBe("conflict");
    }
    expect(world.watch.truth.members(room).sort()).toEqual(usersOf(owners).sort());
  },
);

story("two owners who give up their role at the same time leave one owner", {}, async (world) => {
  const owners = usersAt(world, { prefix: "o", count: 2, homes: [machine(world, 1), machine(world, 2)] });
  const [first, second] = owners as [SimClient, SimClient];
  const room = world.group("room", usersOf(owners));
  await begin(world);
  await world.finish(
    world.groups(first, (groups) =>
      groups.changeRole(first.user, { conversation: room, subject: second.user, role: "owner" }),
    ),
  );
  const ends = await world.finish(
    Promise.allSettled(
      owners.map((one, index) =>
        at(world, machine(world, index + 1), one, (groups) =>
          groups.changeRole(one.user, { conversation: room, subject: one.user, role: "member" }),
        ),
      ),
    ),
  );
  await world.run(500);
  expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const groups = world.servers.store.engines["groups"] as GroupStore;
  const { items } = await groups.members(room, { state: "active", limit: 10 });
  expect(items.map(({ role }) => role).sort()).toEqual(["member", "owner"]);
});

const entriesOf = ({ watch }: World, room: ConversationId): Entry[] =>
  (watch.truth.conversations.get(room) ?? []).map(({ entry }) => entry);
