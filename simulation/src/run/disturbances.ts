import type { EngineServer } from "../engines/engine-server.ts";
import { SimMachine } from "../fleet/sim-machine.ts";
import { fairWeather } from "../kernel/network.ts";
import type { Prng } from "../kernel/prng.ts";
import type { World } from "../world/world.ts";

export type DisturbanceCounts = { crashes: number; partitions: number; stalls: number; drains: number };

/** Whatever can go wrong, at random times of the safety phase. Each kind ends by itself, or with `end`. */
export class Disturbances {
  readonly counts: DisturbanceCounts = { crashes: 0, partitions: 0, stalls: 0, drains: 0 };
  readonly #world: World;
  readonly #random: Prng;
  #over = false;

  constructor(world: World, options: { readonly forMs: number; readonly count: number }) {
    this.#world = world;
    this.#random = world.random.fork("disturbances");
    const beginMs = world.timeline.nowMs;
    for (let index = 0; index < options.count; index += 1) {
      const kind = this.#random.pick(kinds);
      this.#at(beginMs + this.#random.between(0, options.forMs), () => this.#do(kind));
    }
  }

  /** Everything is whole again: what is down comes back, what is cut heals. */
  end(): void {
    this.#over = true;
    const world = this.#world;
    world.network.weather = fairWeather;
    for (const server of Object.values(world.servers)) server.restart();
    for (const machine of [...world.machines, ...world.workers]) machine.start();
    world.heal();
  }

  #do(kind: Kind): void {
    const world = this.#world;
    const random = this.#random;
    switch (kind) {
      case "crash-machine":
        this.#crash(random.pick(world.machines), random.between(100, 5_000));
        return;
      case "crash-worker":
        this.#crash(random.pick(world.workers), random.between(100, 5_000));
        return;
      case "crash-server":
        this.#crash(random.pick(Object.values(world.servers)), random.between(50, 2_500));
        return;
      case "stall":
        this.counts.stalls += 1;
        random.pick([...world.machines, ...world.workers, ...world.workers]).stall(random.between(50, 4_000));
        return;
      case "stall-server":
        this.counts.stalls += 1;
        random.pick(Object.values(world.servers)).process.stall(random.between(50, 1_500));
        return;
      case "cut":
        this.#cut(random.chance(0.4) ? "one-way" : "both");
        return;
      case "island":
        this.#isolate();
        return;
      case "weather":
        this.#weather();
        return;
      case "clock":
        random.pick([...world.machines, ...world.workers]).process?.jumpWall(random.between(-60_000, 60_000));
        return;
      case "drain":
        this.#drain(random.pick([...world.machines, ...world.workers]));
        return;
      case "poison":
        world.poison(random.whole(0, world.partitions - 1));
        return;
    }
  }

  #crash(what: SimMachine | EngineServer, backAfterMs: number): void {
    if (what.process?.alive !== true) return;
    this.counts.crashes += 1;
    what.crash();
    this.#later(backAfterMs, () => (what instanceof SimMachine ? what.start() : what.restart()));
  }

  #drain(machine: SimMachine): void {
    if (machine.process === undefined || machine.isDraining) return;
    this.counts.drains += 1;
    machine.drain();
    this.#later(this.#random.between(1_000, 9_000), () => machine.start());
  }

  #cut(direction: "both" | "one-way"): void {
    const [one, other] = [this.#random.pick(this.#places()), this.#random.pick(this.#places())];
    if (one === other) return;
    this.counts.partitions += 1;
    this.#world.network.cut(one, other, direction);
    this.#later(this.#random.between(200, 6_000), () => this.#world.network.heal([one, other]));
  }

  /** One place from all others. */
  #isolate(): void {
    const island = this.#random.pick(this.#places().filter((place) => !place.startsWith("client")));
    this.counts.partitions += 1;
    const others = this.#places().filter((place) => place !== island);
    for (const other of others) this.#world.network.cut(island, other);
    this.#later(this.#random.between(200, 5_000), () => {
      for (const other of others) this.#world.network.heal([island, other]);
    });
  }

  #weather(): void {
    const random = this.#random;
    this.#world.network.weather = {
      delayMsMin: random.between(0.1, 2),
      delayMsMean: random.between(0.2, 20),
      latePerMille: random.whole(0, 50),
      lateMsMax: random.between(10, 900),
      lostPerMille: random.chance(0.6) ? random.whole(1, 80) : 0,
      doubledPerMille: random.chance(0.5) ? random.whole(1, 80) : 0,
    };
    this.#later(random.between(500, 6_000), () => {
      this.#world.network.weather = fairWeather;
    });
  }

  #places(): string[] {
    const { machines, workers, clients, servers } = this.#world;
    return [...machines, ...workers, ...clients, ...Object.values(servers)].map(({ place }) => place);
  }

  #later(ms: number, action: () => void): void {
    this.#at(this.#world.timeline.nowMs + ms, action);
  }

  #at(atMs: number, action: () => void): void {
    this.#world.timeline.at(atMs, undefined, () => {
      if (!this.#over) action();
    });
  }
}

const kinds = [
  "crash-machine",
  "crash-worker",
  "crash-worker",
  "crash-server",
  "crash-server",
  "stall",
  "stall",
  "stall-server",
  "cut",
  "cut",
  "island",
  "weather",
  "weather",
  "clock",
  "drain",
  "drain",
  "poison",
] as const;
type Kind = (typeof kinds)[number];
