import type { ConnectionDirectory } from "@tidings/core";
import type { ConversationId, MachineId } from "@tidings/protocol";
import type { IssuedSend, SimClient } from "../clients/sim-client.ts";
import type { World } from "../world/world.ts";

/**
 * All is whole and calm: a message in every conversation reaches every member by push (G5), and exactly the machines at which members
 * are, are told of it: what the workers know of interest is the Connection DB and the memberships, no more and no less.
 */
export async function probe(world: World): Promise<void> {
  const { watch } = world;
  const told = new Map<ConversationId, Set<MachineId>>();
  watch.onSent = (machine, message) => {
    if (message.tell !== "delivery") return;
    const { conversation } = message.delivery;
    told.set(conversation, (told.get(conversation) ?? new Set()).add(machine));
  };
  const probes: { readonly send: IssuedSend; readonly members: readonly SimClient[] }[] = [];
  const before = new Map<ConversationId, ReadonlySet<MachineId>>();
  for (const conversation of watch.truth.conversations.keys()) {
    const users = watch.truth.members(conversation);
    const members = world.clients.filter(({ user }) => users.includes(user));
    // The first of all is in every group, and one client sends so many at once and no more.
    const sender = members.at(-1);
    if (sender === undefined) continue;
    before.set(conversation, await connectionsOf(world).machinesOf(users));
    probes.push({ send: sender.sends({ conversation }, "probe"), members });
  }
  await world.run(pushMsMax);
  watch.onSent = undefined;
  for (const { send, members } of probes) {
    const { conversation } = send;
    const head = watch.truth.head(conversation);
    if (send.ackedAtMs === undefined)
      watch.report("G5", `A message to ${conversation} was not taken and stored in ${pushMsMax} ms of calm.`);
    for (const member of members) {
      const held = member.held.get(conversation) ?? 0;
      if (held < head) {
        watch.report(
          "G5",
          `${member.place} holds ${held} of ${head} in ${conversation}, ${pushMsMax} ms after a message in calm.`,
        );
      }
    }
    const after = await connectionsOf(world).machinesOf(watch.truth.members(conversation));
    for (const machine of told.get(conversation) ?? []) {
      if (before.get(conversation)?.has(machine) !== true && !after.has(machine)) {
        watch.report("inside", `${machine} was told of ${conversation}, and has nobody in it.`);
      }
    }
    for (const machine of before.get(conversation) ?? []) {
      if (after.has(machine) && told.get(conversation)?.has(machine) !== true) {
        watch.report("inside", `${machine} has members of ${conversation}, and was not told of it.`);
      }
    }
  }
}

const connectionsOf = (world: World) => world.servers.leases.engines["connections"] as ConnectionDirectory;

/** A push takes some milliseconds; what a machine finds by itself it finds in about a second. */
export const pushMsMax = 250;
