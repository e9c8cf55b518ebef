import type { ManualClock } from "@tidings/core";

/**
 * How a suite lets leases end: at once by a clock that it moves, or by waiting where an engine keeps its own time. A lease of
 * `leaseMs` is there until `leaseMs - slackMs` after its renewal, and has ended at `leaseMs + slackMs`.
 */
export type PassingTime = {
  readonly leaseMs: number;
  readonly slackMs: number;
  pass(ms: number): Promise<void>;
  /** Moves the wall clock alone, where a test can. */
  jumpWall?(ms: number): void;
};

export const manualTime = (clock: ManualClock): PassingTime => ({
  leaseMs: 10_000,
  slackMs: 1,
  pass: (ms) => clock.advance(ms),
  jumpWall: (ms) => clock.jumpWall(ms),
});

/** Almost the whole of a lease: it is still there. */
export const passAlmostLease = (time: PassingTime): Promise<void> => time.pass(time.leaseMs - time.slackMs);
/** What is left of a lease after almost the whole of it: now it has ended. */
export const passRest = (time: PassingTime): Promise<void> => time.pass(2 * time.slackMs);
export async function passLease(time: PassingTime): Promise<void> {
  await passAlmostLease(time);
  await passRest(time);
}
