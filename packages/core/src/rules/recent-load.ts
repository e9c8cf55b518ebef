/**
 * How much was done lately: the amounts of about the last `windowMs`, what is older counting less and less. So who does many small things
 * can gather them by how much there is to do, and not by how long each of them takes.
 */
export class RecentLoad {
  readonly #limits: RecentLoadLimits;
  #amount = 0;
  #atMs = 0;

  constructor(limits: RecentLoadLimits) {
    this.#limits = limits;
  }

  /** `nowMs` is monotonic time. */
  note(amount: number, nowMs: number): void {
    this.#amount = this.#amount * Math.exp((this.#atMs - nowMs) / windowMs) + amount;
    this.#atMs = nowMs;
  }

  /** 0 up to `quiet`, growing to `restMsMax` at `busy`. */
  get restMs(): number {
    const { quiet, busy, restMsMax } = this.#limits;
    return restMsMax * Math.min(1, Math.max(0, (this.#amount - quiet) / (busy - quiet)));
  }
}

/** Amounts within a window; milliseconds. */
export type RecentLoadLimits = { readonly quiet: number; readonly busy: number; readonly restMsMax: number };

const windowMs = 100;
