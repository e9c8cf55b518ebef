import { type Leases, type MachineMessage, partitionOf } from "@tidings/core";
import type { ConversationId, Entry, MachineId, UserId } from "@tidings/protocol";
import { expect, test } from "vitest";
import { checkInTheEnd } from "../checkers/final-checks.ts";
import { messageKey } from "../checkers/truth.ts";
import type { IssuedSend, SimClient } from "../clients/sim-client.ts";
import type { SimMachine } from "../fleet/sim-machine.ts";
import { fairWeather } from "../kernel/network.ts";
import { converge } from "../run/convergence.ts";
import { probe } from "../run/probes.ts";
import { World, type WorldOptions } from "../world/world.ts";

/**
 * A test that is told in a world of its own, with several seeds. Whatever happens in it, in the end everything is made whole, and then
 * nothing may be missing, and none of the checkers that looked on may have seen anything.
 */
export function story(title: string, options: Omit<WorldOptions, "seed">, tell: (world: World) => Promise<void>): void {
  test.each(seeds)(
    `${title} (seed %i)`,
    async (seed) => {
      const world = new World({ ...options, seed });
      const surfaced = (error: unknown): void => world.watch.failed(error);
      process.on("unhandledRejection", surfaced);
      process.on("uncaughtException", surfaced);
      try {
        await tell(world);
        await endWell(world);
      } finally {
        process.off("unhandledRejection", surfaced);
        process.off("uncaughtException", surfaced);
      }
    },
    storyTimeoutMs,
  );
}

const seeds = [1, 2, 3];
/** Of real time, on a machine that does other things, too. */
const storyTimeoutMs = 60_000;

async function endWell(world: World): Promise<void> {
  world.network.weather = fairWeather;
  for (const server of Object.values(world.servers)) server.restart();
  for (const machine of [...world.machines, ...world.workers]) machine.start();
  world.heal();
  for (const client of world.clients) client.start();
  expect(await converge(world, convergeMsMax)).toEqual([]);
  await world.run(breathMs);
  await probe(world);
  await checkInTheEnd(world);
  for (const error of world.timeline.thrown) world.watch.failed(error);
  expect(world.watch.violations).toEqual([]);
}

const convergeMsMax = 75_000;
/** Leases run out, and what was begun ends. */
const breathMs = 2_500;

/** Starts the fleet and its people, and lets them find each other. */
export async function begin(world: World): Promise<void> {
  await world.start();
  for (const client of world.clients) client.start();
  await world.until(() => world.clients.every((client) => client.isLive));
  await world.run(settleMs);
}

const settleMs = 1_500;

export const usersOf = (clients: readonly SimClient[]): UserId[] => clients.map(({ user }) => user);

/** Is it stored, and where? */
export function seqOf({ watch }: World, { conversation, user, messageId }: IssuedSend): number | undefined {
  return watch.truth.messages.get(messageKey(conversation, user, messageId));
}

/** Was the device given this message? */
export function has(world: World, client: SimClient, send: IssuedSend): boolean {
  return (client.held.get(send.conversation) ?? 0) >= (seqOf(world, send) ?? Number.POSITIVE_INFINITY);
}

export function allHave(world: World, clients: readonly SimClient[], sends: readonly IssuedSend[]): boolean {
  return sends.every((send) => clients.every((client) => has(world, client, send)));
}

/** The texts of a conversation as they are stored. */
export function textsOf({ watch }: World, conversation: ConversationId): string[] {
  const entries = watch.truth.conversations.get(conversation) ?? [];
  return entries.flatMap(({ entry }) => (entry.kind === "message" ? [entry.text] : []));
}

/** Every `entries` event from now on. */
export function hearEntries(world: World) {
  const heard: { client: SimClient; conversation: ConversationId; entries: readonly Entry[]; atMs: number }[] = [];
  world.watch.on((client, event) => {
    if (event.type !== "entries") return;
    const { conversation, entries } = event;
    heard.push({ client, conversation, entries, atMs: world.timeline.nowMs });
  });
  return heard;
}

/** Everything that is sent to machines from now on. */
export function hearLink(world: World) {
  const sent: { machine: MachineId; message: MachineMessage; atMs: number }[] = [];
  world.watch.onSent = (machine, message) => sent.push({ machine, message, atMs: world.timeline.nowMs });
  return sent;
}

/** partition → the place that holds it; a place that is unknown is one that died. */
export async function holders(world: World): Promise<ReadonlyMap<number, SimMachine | undefined>> {
  const leases = world.servers.leases.engines["leases"] as Leases;
  const held = await leases.holders("workers/partition/");
  return new Map(
    [...held].map(([name, holder]) => [
      Number(name.slice("workers/partition/".length)),
      world.workers.find(({ machine }) => machine?.machine === holder),
    ]),
  );
}

/** The worker that holds the conversation's partition. */
export async function holderOf(world: World, conversation: ConversationId): Promise<SimMachine> {
  const holder = (await holders(world)).get(partitionOf(conversation, world.partitions));
  if (holder === undefined) throw new Error(`Nobody holds the partition of ${conversation}.`);
  return holder;
}

/** The machine with this number, from 1 on, as its place is called. */
export function machine(world: World, number: number): SimMachine {
  const found = world.machines[number - 1];
  if (found === undefined) throw new Error(`There is no machine ${number}.`);
  return found;
}
