import { watchBounds } from "../checkers/bounds.ts";
import { checkInTheEnd } from "../checkers/final-checks.ts";
import { checkMentions } from "../checkers/mentions.ts";
import type { Violation } from "../checkers/watch.ts";
import type { Fault } from "../faults/fault.ts";
import { World } from "../world/world.ts";
import { converge } from "./convergence.ts";
import { type DisturbanceCounts, Disturbances } from "./disturbances.ts";
import { probe } from "./probes.ts";
import { Workload } from "./workload.ts";

export type RunOptions = {
  readonly seed: number;
  readonly machines: number;
  readonly workers: number;
  readonly clients: number;
  /** How long things go wrong. */
  readonly safetyMs: number;
  readonly fault?: Fault;
  readonly writeLog?: (line: string) => void;
};

export type RunResult = DisturbanceCounts & {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** What had not converged in time. */
  readonly missing: readonly string[];
  readonly simulatedMs: number;
  readonly messages: number;
  readonly staleRefusals: number;
  /** The same for every run of the seed with these options. */
  readonly traceHash: string;
};

/**
 * One run: a fleet with its people; a safety phase in which anything fails, and no promise of safety may be broken; then everything is
 * made whole, must converge in time, and must work as on the first day.
 */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const { seed, machines, workers, clients, safetyMs, fault, writeLog } = options;
  const world = new World({
    seed,
    machines,
    workers,
    ...(fault === undefined ? {} : { fault }),
    ...(writeLog === undefined ? {} : { writeLog }),
  });
  const surfaced = (error: unknown): void => world.watch.failed(error);
  process.on("unhandledRejection", surfaced);
  process.on("uncaughtException", surfaced);
  try {
    return await live(world, { clients, safetyMs });
  } finally {
    process.off("unhandledRejection", surfaced);
    process.off("uncaughtException", surfaced);
  }
}

async function live(world: World, options: { clients: number; safetyMs: number }): Promise<RunResult> {
  const groups = populate(world, options.clients);
  watchBounds(world, world.slowSessionBytes);
  await world.start();
  for (const client of world.clients) client.start();
  await world.run(startMs);

  const disturbances = new Disturbances(world, {
    forMs: options.safetyMs,
    count: Math.ceil(disturbancesShort * Math.sqrt(options.safetyMs / shortMs)),
  });
  const workload = new Workload(world, { groups, pauseMsMean: pauseMsMean(options.clients) });
  await world.run(options.safetyMs);
  workload.stop();
  disturbances.end();
  for (const client of world.clients) client.start();

  let missing = await converge(world, convergeMsMax);
  if (missing.length === 0) {
    await beginAnew(world);
    missing = await converge(world, convergeMsMax);
  }
  if (missing.length === 0) {
    await world.run(breathMs);
    await probe(world);
    missing = await converge(world, convergeMsMax);
  }
  // The notifier follows what is stored with a lag of its own.
  await world.run(notifierMs);
  await checkInTheEnd(world);
  if (missing.length === 0) await checkMentions(world);
  for (const error of world.timeline.thrown) world.watch.failed(error);
  return {
    ...disturbances.counts,
    seed: world.seed,
    violations: world.watch.violations,
    missing,
    simulatedMs: world.timeline.nowMs,
    messages: world.watch.truth.messages.size,
    staleRefusals: world.watch.staleRefusals,
    traceHash: (world.timeline.traceHash >>> 0).toString(16).padStart(8, "0"),
  };
}

/** People, and groups of several sizes: all of them, half of a small world, some, a few, two. The first of all owns every group. */
function populate(world: World, count: number) {
  const people = Array.from({ length: count }, (_, index) => world.user(`p${index + 1}`));
  const users = people.map(({ user }) => user);
  const [owner] = users;
  const groups: (typeof users)[] = [users, users.slice(0, Math.min(Math.ceil(count / 2), groupSizes[0]))];
  for (const size of groupSizes) {
    for (let begin = 0; begin + size <= Math.max(count, size) && begin < count; begin += size) {
      groups.push(users.slice(begin, begin + size));
    }
  }
  return groups.map((members, index) =>
    world.group(
      `group${index + 1}`,
      owner === undefined ? members : [owner, ...members.filter((user) => user !== owner)],
    ),
  );
}

/** Everybody of a crowd is in one of each. */
const groupSizes = [12, 5, 2] as const;

/** A third of the devices comes back anew, to wherever the balancer sends them, and a worker is replaced. */
async function beginAnew(world: World): Promise<void> {
  const [worker] = world.workers;
  worker?.crash();
  worker?.start();
  for (const [index, client] of world.clients.entries()) {
    if (index % 3 !== 1) continue;
    client.crash();
    client.start();
  }
  await world.run(startMs);
}

const startMs = 300;
const notifierMs = 2_000;
/** A worker's lease runs out, and others take over. */
const breathMs = 2_500;
/** Longer than a client waits for the heartbeat of a connection that hangs, and for its next attempt. */
const convergeMsMax = 75_000;
/** In a short run they come one upon the other; a longer one also has times in which things recover in between. */
const disturbancesShort = 12;
const shortMs = 15_000;
/** Many clients each do less, as many people in real groups do. */
const pauseMsMean = (clients: number): number => Math.max(1_000, (clients - 50) * 500);
