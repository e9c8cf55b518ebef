import type { Clock } from "@tidings/core";

/**
 * The pace at which woken long polls are answered. An answer over HTTP, and the request that follows it, cost some
 * twenty times a write to a socket; without a pace a busy group's pollers would take the whole machine, one entry at a
 * time. Under the pace a poll is answered at once; over it, it waits for its turn and gathers what comes meanwhile.
 */
export class AnswerPace {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #burstMs: number;
  #nextMs = 0;

  constructor(options: { clock: Clock; perSecond: number }) {
    this.#clock = options.clock;
    this.#intervalMs = 1_000 / options.perSecond;
    this.#burstMs = burstAnswers * this.#intervalMs;
  }

  /**
   * Resolves when it is the caller's turn, in the order of the calls, or after `waitMsMax` if that is earlier: whoever was
   * promised an answer by then gets it. At once when the signal aborts; that turn is left to others.
   */
  async turn(waitMsMax: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const nowMs = this.#clock.monotonicMs();
    // What was not used lately may be used at once, up to the burst.
    const turnMs = Math.max(this.#nextMs, nowMs - this.#burstMs);
    this.#nextMs = turnMs + this.#intervalMs;
    if (turnMs <= nowMs) return;
    await this.#clock.sleep(Math.min(turnMs - nowMs, waitMsMax), signal);
    if (signal.aborted) this.#nextMs -= this.#intervalMs;
  }
}

const burstAnswers = 100;
