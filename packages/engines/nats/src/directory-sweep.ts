import type { MachineId } from "@tidings/protocol";
import type { Bucket } from "./bucket.ts";
import type { DirectoryRows } from "./directory-rows.ts";
import { encodeKey } from "./keys.ts";
import { endedKeptMs, markKeptMs, sweepMs, writesAtOnce } from "./limits.ts";
import type { Nats } from "./nats.ts";

/** Marks that wait for their removal; more stay until their machine is removed. */
const marksMax = 100_000;
/** Of one sweep, so that a storm of removals does not become a storm of sweeps. */
const marksAtOnceMax = 4_096;

export type DirectorySweepOptions = {
  readonly nats: Nats;
  readonly bucket: Bucket;
  readonly rows: DirectoryRows;
  machineKey(machine: MachineId): string;
  isFollowing(): boolean;
};

/** Keeps the bucket from growing: removes machines that ended long ago, and marks of removals that everybody has seen. */
export class DirectorySweep {
  readonly #options: DirectorySweepOptions;
  #marks: { readonly sequence: number; readonly atMs: number }[] = [];
  #sweptMs: number;

  constructor(options: DirectorySweepOptions) {
    this.#options = options;
    this.#sweptMs = options.nats.clock.monotonicMs();
  }

  /** A mark that this process wrote. */
  marked(sequence: number): void {
    if (this.#marks.length < marksMax) this.#marks.push({ sequence, atMs: this.#options.nats.clock.monotonicMs() });
  }

  /** Sweeps beside what the caller does, once in a while. */
  begin(): void {
    const { clock, log } = this.#options.nats;
    if (clock.monotonicMs() - this.#sweptMs < sweepMs || !this.#options.isFollowing()) return;
    this.#sweptMs = clock.monotonicMs();
    this.#sweep().catch((error: unknown) => log.info({ err: error }, "The Connection DB is swept later."));
  }

  async #sweep(): Promise<void> {
    const { bucket, rows, nats, machineKey } = this.#options;
    const nowMs = nats.clock.monotonicMs();
    const due = this.#marks.filter(({ atMs }) => nowMs - atMs > markKeptMs).slice(0, marksAtOnceMax);
    this.#marks = this.#marks.slice(due.length);
    for (let index = 0; index < due.length; index += writesAtOnce) {
      await Promise.all(due.slice(index, index + writesAtOnce).map(({ sequence }) => bucket.erase(sequence)));
    }
    for (const [id, machine] of [...rows.machines]) {
      const endMs = machine.lease === undefined ? machine.withoutSinceMs : rows.endMsOf(machine.lease);
      if (nowMs - endMs <= endedKeptMs) continue;
      if (machine.lease === undefined) {
        await bucket.purge(`r.${encodeKey(id)}.>`, machine.voidBefore);
        await bucket.erase(machine.sequence);
        rows.forget(id);
        continue;
      }
      // Only if it has not renewed meanwhile: then it is there.
      const sequence = await bucket.write(machineKey(id), undefined, machine.sequence);
      if (sequence === "conflict") continue;
      rows.retired(id, sequence);
      await bucket.purge(`r.${encodeKey(id)}.>`, sequence);
    }
  }
}
