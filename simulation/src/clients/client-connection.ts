import type { Network } from "../kernel/network.ts";
import type { SimProcess } from "../kernel/sim-process.ts";

/**
 * One direction of a TCP connection: what is written arrives in order, or not at all once the connection is broken. What is lost on
 * the way is sent again, so a loss is a delay, and a cut holds everything back until it heals.
 */
export class OrderedPipe<Segment> {
  readonly #network: Network;
  readonly #from: SimProcess;
  readonly #to: SimProcess;
  readonly #bytesPerMs: number;
  readonly #handle: (segment: Segment) => void;
  readonly #held: { segment: Segment; bytes: number }[] = [];
  #arrivalMs = 0;
  #broken = false;
  #paused = false;
  readonly #arrived: Segment[] = [];
  /** Written and not arrived. */
  bytesUnderWay = 0;
  /** Hears once when everything has arrived. */
  onEmpty: (() => void) | undefined;

  constructor(
    network: Network,
    options: { from: SimProcess; to: SimProcess; bytesPerMs: number; handle: (segment: Segment) => void },
  ) {
    this.#network = network;
    this.#from = options.from;
    this.#to = options.to;
    this.#bytesPerMs = options.bytesPerMs;
    this.#handle = options.handle;
  }

  write(segment: Segment, bytes: number): void {
    if (this.#broken) return;
    this.bytesUnderWay += bytes;
    if (this.#held.length > 0 || this.#isCut()) this.#held.push({ segment, bytes });
    else this.#pass(segment, bytes);
  }

  /** Something was healed: what was held back goes on. */
  healed(): void {
    if (this.#broken || this.#isCut()) return;
    for (const { segment, bytes } of this.#held.splice(0)) this.#pass(segment, bytes);
  }

  /** The receiving program reads nothing until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused && !this.#broken) {
      const segment = this.#arrived.shift();
      if (segment === undefined) return;
      this.#handle(segment);
    }
  }

  /** Nothing arrives any more. */
  break(): void {
    this.#broken = true;
    this.#held.length = 0;
    this.#arrived.length = 0;
  }

  #pass(segment: Segment, bytes: number): void {
    const { timeline } = this.#network;
    const delayMs = this.#network.transit(this.#from, this.#to) ?? this.#network.delay() + retransmissionMs;
    this.#arrivalMs = Math.max(this.#arrivalMs, timeline.nowMs + delayMs) + bytes / this.#bytesPerMs;
    this.#to.at(this.#arrivalMs, () => {
      if (this.#broken) return;
      this.#acknowledge(bytes);
      if (this.#paused || this.#arrived.length > 0) this.#arrived.push(segment);
      else this.#handle(segment);
    });
  }

  /** The sender learns that it arrived, in the same event, which saves half of all events. */
  #acknowledge(bytes: number): void {
    this.bytesUnderWay -= bytes;
    const { onEmpty } = this;
    if (this.bytesUnderWay === 0 && onEmpty !== undefined && this.#from.alive) {
      this.onEmpty = undefined;
      this.#from.at(this.#network.timeline.nowMs, () => onEmpty());
    }
  }

  #isCut(): boolean {
    return this.#network.isCut(this.#from.place, this.#to.place);
  }
}

const retransmissionMs = 200;
