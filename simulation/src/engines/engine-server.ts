import { TidingsError } from "@tidings/protocol";
import type { Clock } from "@tidings/core";
import type { Prng } from "../kernel/prng.ts";
import { SimProcess } from "../kernel/sim-process.ts";
import type { Timeline } from "../kernel/timeline.ts";

export type Engines = Readonly<Record<string, object>>;

/**
 * The server of a database, of the log or of the leases: memory engines in a process with a disk. What changes something is written to
 * a journal, one fsync for all that came meanwhile, and done and answered only then: so nobody ever sees what a crash can take back.
 * A crash forgets what was not synced; of the write under way the disk holds a beginning, and the torn rest is dropped. The
 * server comes back by doing what its journal holds with new engines.
 */
export class EngineServer {
  readonly place: string;
  /** Calls that change something: each goes through the journal. */
  readonly #writes: ReadonlySet<string>;
  readonly #answeredEarly: ReadonlySet<string>;
  readonly #timeline: Timeline;
  readonly #random: Prng;
  readonly #create: (clock: Clock) => Engines;
  readonly #disk: DiskTimes;
  readonly #journal: JournalCall[] = [];
  #process: SimProcess;
  #engines: Engines;
  #waiting: WaitingCall[] = [];
  #syncing: readonly WaitingCall[] = [];
  #callMs: number | undefined;

  constructor(
    timeline: Timeline,
    options: {
      readonly place: string;
      readonly random: Prng;
      readonly writes: readonly string[];
      /** Writes that are answered, and seen, before they are on the disk: a deliberate fault. */
      readonly answeredEarly?: readonly string[];
      readonly disk: DiskTimes;
      readonly create: (clock: Clock) => Engines;
    },
  ) {
    this.#timeline = timeline;
    this.place = options.place;
    this.#random = options.random;
    this.#writes = new Set(options.writes);
    this.#answeredEarly = new Set(options.answeredEarly);
    this.#disk = options.disk;
    this.#create = options.create;
    this.#process = new SimProcess(timeline, { place: options.place });
    this.#engines = options.create(this.#clock());
  }

  get process(): SimProcess {
    return this.#process;
  }

  /** The engines as they are now, for checkers: past the network and past the disk. */
  get engines(): Engines {
    return this.#engines;
  }

  /** Is the journal being done again? */
  get isReplaying(): boolean {
    return this.#callMs !== undefined;
  }

  /** Does a call in the server. */
  async call(port: string, method: string, args: readonly unknown[]): Promise<unknown> {
    if (!this.#process.alive) throw new TidingsError("unavailable");
    if (!this.#writes.has(`${port}.${method}`)) return invoke(this.#engines, { port, method, args });
    if (this.#waiting.length >= waitingCallsMax) throw new TidingsError("busy", { retryAfterMs: 100 });
    return new Promise((resolve, reject) => {
      const isEarly = this.#answeredEarly.has(`${port}.${method}`);
      if (isEarly) invoke(this.#engines, { port, method, args }).then(resolve, reject);
      this.#waiting.push({ port, method, args, isDone: isEarly, resolve, reject });
      if (this.#syncing.length === 0) this.#sync();
    });
  }

  crash(): void {
    if (!this.#process.alive) return;
    this.#process.kill();
    const whole = this.#random.whole(0, this.#syncing.length);
    for (const { port, method, args } of this.#syncing.slice(0, whole)) {
      this.#journal.push({ port, method, args, atMs: this.#timeline.nowMs });
    }
    this.#syncing = [];
    this.#waiting = [];
  }

  restart(): void {
    if (this.#process.alive) return;
    this.#process = new SimProcess(this.#timeline, { place: this.place });
    // Events that the engines set while the journal is done again stand at the times of its calls.
    this.#callMs = this.#journal[0]?.atMs ?? this.#timeline.nowMs;
    this.#engines = this.#create(this.#clock());
    for (const call of this.#journal) {
      this.#callMs = call.atMs;
      // What was refused the first time is refused again.
      invoke(this.#engines, call).catch(() => undefined);
    }
    this.#callMs = undefined;
  }

  /** Writes what waits to the disk; what comes meanwhile goes into the next write. */
  #sync(): void {
    this.#syncing = this.#waiting;
    this.#waiting = [];
    const { fsyncMsMin, fsyncMsMax } = this.#disk;
    // Who has his answer already does not hurry.
    const lazyMs = this.#syncing.some(({ isDone }) => isDone) ? lazySyncMs : 0;
    const doneMs = this.#timeline.nowMs + lazyMs + this.#random.between(fsyncMsMin, fsyncMsMax);
    this.#process.at(doneMs, () => {
      const synced = this.#syncing;
      this.#syncing = [];
      for (const { port, method, args, isDone, resolve, reject } of synced) {
        this.#journal.push({ port, method, args, atMs: this.#timeline.nowMs });
        if (!isDone) invoke(this.#engines, { port, method, args }).then(resolve, reject);
      }
      if (this.#waiting.length > 0) this.#sync();
    });
  }

  /** The server's time; while the journal is done again, the time of the call. */
  #clock(): Clock {
    const process = this.#process;
    const nowMs = () => this.#callMs ?? this.#timeline.nowMs;
    return {
      ...process.clock,
      nowMs: () => Math.floor(nowMs()),
      monotonicMs: nowMs,
      after: (delayMs, action) => {
        const event = this.#timeline.at(nowMs() + Math.max(0, delayMs), process, action);
        return () => {
          event.action = undefined;
        };
      },
    };
  }
}

export type DiskTimes = { readonly fsyncMsMin: number; readonly fsyncMsMax: number };

type JournalCall = {
  readonly port: string;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly atMs: number;
};
type WaitingCall = Omit<JournalCall, "atMs"> & {
  readonly isDone: boolean;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
};

/** When an operating system writes by itself what nobody asked it to sync. */
const lazySyncMs = 500;
/** Calls that wait for the disk; more are refused. */
const waitingCallsMax = 10_000;

async function invoke(engines: Engines, { port, method, args }: Omit<JournalCall, "atMs">): Promise<unknown> {
  const engine: object = engines[port] ?? {};
  const action: unknown = Reflect.get(engine, method);
  if (typeof action !== "function") throw new Error(`The server has no ${port}.${method}.`);
  return Reflect.apply(action, engine, args) as unknown;
}
