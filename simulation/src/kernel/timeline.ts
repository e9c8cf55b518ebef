import { invariant } from "@tidings/core";
import { EventHeap } from "./event-heap.ts";

/**
 * Simulated time: one queue of events. After each event every promise runs as far as it can, then comes the next event; nothing
 * real is awaited, so that the order of everything follows from the order of the events.
 *
 * A turn of Node's event loop runs all immediates that were set before it, and every promise that can run between one and the
 * next. So many immediates are set at once, each takes one event, and the price of a turn is shared.
 */
export class Timeline {
  nowMs = 0;
  /** Grows with every event; two runs of one seed end with the same. */
  traceHash = 0;
  eventsRun = 0;
  /** Thrown out of an event: a defect of what runs, reported by whoever looks here. */
  readonly thrown: unknown[] = [];
  readonly #heap = new EventHeap<TimedEvent>();
  #order = 0;
  #eventsNow = 0;

  /** Runs `action` at that time, in the process if one is given: not at all if it is dead then, later if it is stalled. */
  at(atMs: number, host: EventHost | undefined, action: () => void): TimedEvent {
    this.#order += 1;
    const event: TimedEvent = { atMs: Math.max(atMs, this.nowMs), order: this.#order, host, action };
    this.#heap.push(event);
    return event;
  }

  /** Puts something into the trace: what is not decided by the events' times alone. */
  trace(value: number): void {
    this.traceHash = (Math.imul(this.traceHash ^ value, 0x01000193) ^ (value >>> 15)) | 0;
  }

  /** Runs the events up to a time, or until the condition holds (it is asked after each event). Answers whether it held. */
  run(untilMs: number, condition?: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let over = false;
      const end = (held: boolean): void => {
        over = true;
        resolve(held);
      };
      const step = (): void => {
        if (over) return;
        try {
          if (condition?.() === true) {
            end(true);
          } else if (!this.#step(untilMs)) {
            this.nowMs = Math.max(this.nowMs, untilMs);
            end(condition === undefined);
          }
        } catch (error) {
          over = true;
          reject(error as Error);
        }
      };
      const pump = (): void => {
        if (over) return;
        for (let turn = 0; turn < turnsAtOnce; turn += 1) setImmediate(step);
        setImmediate(pump);
      };
      pump();
    });
  }

  /** Takes the next event; false if there is none up to that time. */
  #step(untilMs: number): boolean {
    for (;;) {
      const event = this.#heap.first;
      if (event === undefined || event.atMs > untilMs) return false;
      this.#heap.pop();
      const { host, action } = event;
      if (action === undefined || host?.alive === false) continue;
      if (host !== undefined && host.stalledUntilMs > event.atMs) {
        // What comes to a stalled process waits, and keeps its order.
        this.#order += 1;
        event.atMs = host.stalledUntilMs;
        event.order = this.#order;
        this.#heap.push(event);
        continue;
      }
      this.#eventsNow = event.atMs === this.nowMs ? this.#eventsNow + 1 : 0;
      invariant(this.#eventsNow < eventsAtOneTimeMax, "Time goes on: something sets timers of 0 ms for ever.");
      this.nowMs = event.atMs;
      this.eventsRun += 1;
      this.trace((event.atMs * 1_000) ^ event.order);
      event.action = undefined;
      try {
        action();
      } catch (error) {
        this.thrown.push(error);
      }
      return true;
    }
  }
}

/** What an event belongs to: it dies with its process and waits while the process is stalled. */
export type EventHost = { readonly alive: boolean; readonly stalledUntilMs: number };

export type TimedEvent = {
  atMs: number;
  order: number;
  readonly host: EventHost | undefined;
  /** Taken away when it ran, or when it is cancelled. */
  action: (() => void) | undefined;
};

const turnsAtOnce = 64;
const eventsAtOneTimeMax = 500_000;
