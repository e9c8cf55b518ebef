import type { LogImage, MessageLog } from "@tidings/core";
import type { World } from "../world/world.ts";

/** What is not as it must be once everything has been whole for a while; empty: all has converged. */
export async function whatIsMissing(world: World): Promise<string[]> {
  const { truth } = world.watch;
  const missing: string[] = [];
  const log = world.servers.log.engines["log"] as MessageLog;
  const image = world.servers.store.engines["image"] as LogImage;
  for (let partition = 0; partition < world.partitions; partition += 1) {
    const [end, position] = await Promise.all([log.end(partition), image.position(partition)]);
    if (position < end) missing.push(`partition ${partition} is applied up to ${position} of ${end}`);
  }
  for (const client of world.clients) {
    if (!client.isLive) missing.push(`${client.place} is ${client.state}`);
    if (client.unsettled.size > 0)
      missing.push(`${client.place} has ${client.unsettled.size} sends that are not settled`);
    for (const conversation of truth.conversationsOf(client.user)) {
      if (truth.stayNow(conversation, client.user) === undefined) continue;
      const held = client.held.get(conversation) ?? 0;
      const head = truth.head(conversation);
      if (held !== head) missing.push(`${client.place} holds ${held} of ${head} in ${conversation}`);
    }
  }
  for (const { place, process } of [...world.machines, ...world.workers, ...Object.values(world.servers)]) {
    if (process?.stalled === true) missing.push(`${place} is stalled`);
  }
  for (const { place, machine } of world.machines) {
    const waiting = machine?.gauges.waitingForLog() ?? 0;
    if (waiting > 0) missing.push(`${place} has ${waiting} requests waiting for the log`);
  }
  return missing;
}

/** Lets time pass until nothing is missing; answers with what still is after `withinMs`. */
export async function converge(world: World, withinMs: number): Promise<string[]> {
  const endMs = world.timeline.nowMs + withinMs;
  for (;;) {
    const missing = await whatIsMissing(world);
    if (missing.length === 0 || world.timeline.nowMs >= endMs) return missing;
    await world.run(stepMs);
  }
}

const stepMs = 250;
