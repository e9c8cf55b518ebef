import type { Prng } from "./prng.ts";
import type { SimProcess } from "./sim-process.ts";
import type { Timeline } from "./timeline.ts";

export type Weather = {
  /** Of each message: the least delay, and the mean of what comes on top. */
  readonly delayMsMin: number;
  readonly delayMsMean: number;
  /** How many of a thousand messages are late by up to `lateMsMax`, and so overtaken by others. */
  readonly latePerMille: number;
  readonly lateMsMax: number;
  readonly lostPerMille: number;
  readonly doubledPerMille: number;
};

export const fairWeather: Weather = {
  delayMsMin: 0.2,
  delayMsMean: 0.5,
  latePerMille: 0,
  lateMsMax: 0,
  lostPerMille: 0,
  doubledPerMille: 0,
};

/** What carries messages between processes: later, not in order, sometimes twice, sometimes not at all. */
export class Network {
  readonly timeline: Timeline;
  weather: Weather = fairWeather;
  readonly #random: Prng;
  /** From a place to which others nothing passes. */
  readonly #cuts = new Map<string, Set<string>>();
  readonly #changeWatchers = new Set<() => void>();

  constructor(timeline: Timeline, random: Prng) {
    this.timeline = timeline;
    this.#random = random;
  }

  /** How long a message is on its way now; undefined if it is lost. */
  transit(from: SimProcess, to: SimProcess): number | undefined {
    const { lostPerMille } = this.weather;
    if (!from.alive || this.isCut(from.place, to.place)) return undefined;
    if (lostPerMille > 0 && this.#random.chance(lostPerMille / 1_000)) return undefined;
    return this.delay();
  }

  delay(): number {
    const { delayMsMin, delayMsMean, latePerMille, lateMsMax } = this.weather;
    const late = latePerMille > 0 && this.#random.chance(latePerMille / 1_000);
    return (
      delayMsMin - Math.log(1 - this.#random.fraction()) * delayMsMean + (late ? this.#random.between(0, lateMsMax) : 0)
    );
  }

  /** Does the network repeat this message? */
  doubles(): boolean {
    const { doubledPerMille } = this.weather;
    return doubledPerMille > 0 && this.#random.chance(doubledPerMille / 1_000);
  }

  /** A connection that is cut: when something on the way resets it; undefined: it just hangs. */
  resetDelay(): number | undefined {
    return this.#random.chance(0.5) ? this.#random.between(0, resetMsMax) : undefined;
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.get(from)?.has(to) === true;
  }

  /** Nothing passes from one to the other any more; with `both`, nor back. */
  cut(from: string, to: string, direction: "both" | "one-way" = "both"): void {
    this.#add(from, to);
    if (direction === "both") this.#add(to, from);
    for (const watcher of [...this.#changeWatchers]) watcher();
  }

  /** Ends all cuts, or those between two places. */
  heal(between?: readonly [string, string]): void {
    if (between === undefined) this.#cuts.clear();
    else for (const [a, b] of [between, [between[1], between[0]] as const]) this.#remove(a, b);
    for (const watcher of [...this.#changeWatchers]) watcher();
  }

  #add(from: string, to: string): void {
    const others = this.#cuts.get(from) ?? new Set();
    this.#cuts.set(from, others.add(to));
  }

  #remove(from: string, to: string): void {
    const others = this.#cuts.get(from);
    others?.delete(to);
    if (others?.size === 0) this.#cuts.delete(from);
  }

  /** Hears that something was cut or healed; the answer ends it. */
  onChange(watcher: () => void): () => void {
    this.#changeWatchers.add(watcher);
    return () => this.#changeWatchers.delete(watcher);
  }
}

const resetMsMax = 3_000;
