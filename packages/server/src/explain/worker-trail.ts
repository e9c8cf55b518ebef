import type { Clock } from "@tidings/core";
import type { ConversationId, MachineId, MessageId, UserId } from "@tidings/protocol";
import { Ring } from "./ring.ts";
import type { TrailRange } from "./receive-trail.ts";

/** A range that a worker sent on, and where to. */
export type Routed = TrailRange & {
  readonly machines: readonly MachineId[];
  /** Where the worker applied it, in the log pipeline. */
  readonly applied?: AppliedAs;
};

export type AppliedAs = { readonly partition: number; readonly epoch: number; readonly position: number };

/** A request of the log that the database refused for good. */
export type SetAside = {
  readonly conversation: ConversationId;
  readonly sender: UserId;
  readonly messageId: MessageId;
  readonly partition: number;
  /** Of the batch that it was in. */
  readonly position: number;
  readonly atMs: number;
};

/** What a worker remembers for whoever asks later: one small object for each range that it sent on, never a text. */
export class WorkerTrail {
  readonly #clock: Clock;
  readonly routed = new Ring<Routed>(routedMax);
  readonly setAside = new Ring<SetAside>(setAsideMax);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  noteRouted(range: Omit<Routed, "atMs">): void {
    this.routed.push({ ...range, atMs: this.#clock.nowMs() });
  }

  noteSetAside(request: Omit<SetAside, "atMs">): void {
    this.setAside.push({ ...request, atMs: this.#clock.nowMs() });
  }
}

/** Some 200 bytes each. */
const routedMax = 10_000;
const setAsideMax = 1_000;
