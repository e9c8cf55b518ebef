import type { Clock, FleetEngines } from "@tidings/core";

/**
 * Can this worker work at all? One that reaches its leases and not the Message Log or the Messaging DB would hold its partitions for as
 * long as that lasts, and nothing would flow in them. It asks both once in a lease's time, and is unfit when neither of two questions in
 * succession was answered by both.
 */
export class Fitness {
  readonly #options: { fleet: Pick<FleetEngines, "log" | "image">; clock: Clock; leaseMs: number };
  #failures = 0;

  constructor(options: { fleet: Pick<FleetEngines, "log" | "image">; clock: Clock; leaseMs: number }) {
    this.#options = options;
  }

  get isFit(): boolean {
    return this.#failures < failuresMax;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, leaseMs } = this.#options;
    while (!signal.aborted) {
      const beganMs = clock.monotonicMs();
      this.#failures = (await this.#isReached(signal)) ? 0 : this.#failures + 1;
      await clock.sleep(Math.max(0, beganMs + leaseMs - clock.monotonicMs()), signal);
    }
  }

  /** A driver may wait longer for an answer than is waited here. */
  #isReached(signal: AbortSignal): Promise<boolean> {
    const { fleet, clock, leaseMs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = (): void => resolve(false);
    const cancel = clock.after(leaseMs, giveUp);
    signal.addEventListener("abort", giveUp, { once: true });
    Promise.all([fleet.image.position(0), fleet.log.end(0)]).then(() => resolve(true), giveUp);
    return promise.finally(() => {
      cancel();
      signal.removeEventListener("abort", giveUp);
    });
  }
}

const failuresMax = 2;
