import type { Clock } from "@tidings/core";
import type { Timeline } from "./timeline.ts";

/**
 * A process on a node of the network. It dies at once and with everything that it had set and awaited; a process that comes in its
 * place is another one. While it is stalled nothing happens in it: a garbage collection, a paused virtual machine.
 */
export class SimProcess {
  /** The name of the node: stays when a process is replaced. */
  readonly place: string;
  readonly clock: Clock;
  alive = true;
  stalledUntilMs = 0;
  readonly #timeline: Timeline;
  readonly #deathWatchers = new Set<() => void>();
  readonly #stallWatchers = new Set<() => void>();
  #wallOffsetMs: number;

  constructor(timeline: Timeline, options: { place: string; skew?: Skew }) {
    const { place, skew = { wallOffsetMs: 0, drift: 0 } } = options;
    this.place = place;
    this.#timeline = timeline;
    this.#wallOffsetMs = skew.wallOffsetMs;
    this.clock = this.#createClock(1 + skew.drift);
  }

  /** Runs later in this process. */
  at(atMs: number, action: () => void): void {
    this.#timeline.at(atMs, this, action);
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    for (const watcher of this.#deathWatchers) watcher();
    this.#deathWatchers.clear();
    this.#stallWatchers.clear();
  }

  stall(forMs: number): void {
    this.stalledUntilMs = Math.max(this.stalledUntilMs, this.#timeline.nowMs + forMs);
    for (const watcher of this.#stallWatchers) watcher();
  }

  get stalled(): boolean {
    return this.alive && this.stalledUntilMs > this.#timeline.nowMs;
  }

  /** An operator or a time server sets the wall clock. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  onDeath(watcher: () => void): () => void {
    this.#deathWatchers.add(watcher);
    return () => this.#deathWatchers.delete(watcher);
  }

  onStall(watcher: () => void): () => void {
    this.#stallWatchers.add(watcher);
    return () => this.#stallWatchers.delete(watcher);
  }

  #createClock(rate: number): Clock {
    const timeline = this.#timeline;
    const startedMs = timeline.nowMs;
    const after = (delayMs: number, action: () => void) => {
      const waitMs = delayMs <= 0 ? 0 : Math.max(delayMs / rate, timerMsMin);
      const event = timeline.at(timeline.nowMs + waitMs, this, action);
      return () => {
        event.action = undefined;
      };
    };
    return {
      nowMs: () => Math.floor(simulationStartMs + timeline.nowMs + this.#wallOffsetMs),
      // Not from 0 on: nobody may rely on where it starts.
      monotonicMs: () => 50_000 + (timeline.nowMs - startedMs) * rate,
      after,
      sleep: (delayMs, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) {
            resolve();
            return;
          }
          const wake = () => {
            cancel();
            signal?.removeEventListener("abort", wake);
            resolve();
          };
          const cancel = after(delayMs, wake);
          signal?.addEventListener("abort", wake);
        }),
    };
  }
}

export type Skew = {
  /** How far the wall clock is off. */
  readonly wallOffsetMs: number;
  /** How much faster its monotonic time goes: 0.001 is a millisecond in a second. */
  readonly drift: number;
};

/** A wait that is shorter than what a sum of floating-point numbers can tell would stand still for ever. */
const timerMsMin = 0.01;
const simulationStartMs = 1_700_000_000_000;
