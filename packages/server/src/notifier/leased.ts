import type { Clock, Leases } from "@tidings/core";
import type { Logger } from "pino";
import type { Running } from "../services.ts";

export type LeasedOptions = {
  readonly leases: Leases;
  readonly name: string;
  readonly holder: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the holder of the lease runs: made anew for every term. */
  readonly begin: () => Running;
};

/** Runs something that one machine of many does at a time, while this one has the lease. */
export function createLeased({ leases, name, holder, leaseMs, clock, log, begin }: LeasedOptions): Running {
  const ending = new AbortController();
  let ended: Promise<void> | undefined;
  let term: Running | undefined;

  async function follow(): Promise<void> {
    while (!ending.signal.aborted) {
      try {
        const lease = await leases.acquire(name, holder, leaseMs);
        if (lease !== undefined) await serve(lease);
      } catch (error) {
        log.warn({ err: error, name }, "A lease could not be taken; it is tried again.");
      }
      await clock.sleep(leaseMs / 3, ending.signal);
    }
  }

  async function serve(lease: Parameters<Leases["renew"]>[1]): Promise<void> {
    const running = begin();
    term = running;
    const over = running.run();
    try {
      let untilMs = clock.monotonicMs() + leaseMs;
      while (!ending.signal.aborted) {
        await clock.sleep(leaseMs / 3, ending.signal);
        if (ending.signal.aborted) break;
        const beganMs = clock.monotonicMs();
        const renewed = await leases.renew(name, lease, leaseMs).catch(() => undefined);
        if (renewed === true) untilMs = beganMs + leaseMs;
        else if (renewed === false || beganMs >= untilMs) break;
      }
    } finally {
      await running.stop();
      await over;
      term = undefined;
    }
    if (!dying) await leases.release(name, lease);
  }

  let dying = false;
  return {
    run() {
      ended ??= follow();
      return ended;
    },
    async drain() {
      ending.abort();
      await ended;
    },
    async stop() {
      dying = true;
      ending.abort();
      await term?.stop();
      await ended;
    },
  };
}
