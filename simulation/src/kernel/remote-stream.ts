import { TidingsError } from "@tidings/protocol";
import type { Network } from "./network.ts";
import type { SimProcess } from "./sim-process.ts";

/**
 * What another process tells in batches, over a connection: each batch is asked for, so that nothing is sent ahead of the reader. The
 * connection breaks when either process dies, when a message is lost, and when it is cut for as long as `breakMs`; the reader then
 * hears `unavailable`, and the other side ends its iteration.
 */
export async function* remoteStream<Item>(
  network: Network,
  stream: {
    readonly from: SimProcess;
    readonly to: SimProcess | undefined;
    readonly breakMs: number;
    readonly open: (signal: AbortSignal) => AsyncIterable<Item>;
  },
  signal: AbortSignal,
): AsyncGenerator<Item> {
  const connection = new StreamConnection<Item>(network, stream);
  const leave = (): void => connection.leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    while (!signal.aborted) {
      const next = await connection.next();
      if (next.done === true || signal.aborted) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", leave);
    connection.leave();
  }
}

class StreamConnection<Item> {
  readonly #network: Network;
  readonly #from: SimProcess;
  readonly #to: SimProcess | undefined;
  readonly #breakMs: number;
  readonly #open: (signal: AbortSignal) => AsyncIterable<Item>;
  readonly #serverEnd = new AbortController();
  readonly #forget: (() => void)[] = [];
  #iterator: AsyncIterator<Item> | undefined;
  #waiting: Waiting<Item> | undefined;
  #broken = false;
  #over = false;

  constructor(
    network: Network,
    stream: {
      from: SimProcess;
      to: SimProcess | undefined;
      breakMs: number;
      open: (signal: AbortSignal) => AsyncIterable<Item>;
    },
  ) {
    this.#network = network;
    this.#from = stream.from;
    this.#to = stream.to;
    this.#breakMs = stream.breakMs;
    this.#open = stream.open;
    this.#forget.push(
      network.onChange(() => this.#watchCut()),
      stream.from.onDeath(() => this.#endServer()),
    );
    if (stream.to !== undefined) this.#forget.push(stream.to.onDeath(() => this.#break()));
  }

  next(): Promise<IteratorResult<Item>> {
    return new Promise((resolve, reject) => {
      if (this.#over) {
        resolve({ done: true, value: undefined });
        return;
      }
      if (this.#broken) {
        reject(brokenError());
        return;
      }
      this.#waiting = { resolve, reject };
      this.#pass("there", () => this.#serve());
    });
  }

  /** The reader goes. The other side hears of it, sooner or later. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    for (const forget of this.#forget) forget();
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
    this.#endServer();
  }

  #serve(): void {
    const iterator = this.#iterator ?? this.#open(this.#serverEnd.signal)[Symbol.asyncIterator]();
    this.#iterator = iterator;
    iterator.next().then(
      (next) => this.#pass("back", () => this.#settle((waiting) => waiting.resolve(next))),
      (error: unknown) => this.#pass("back", () => this.#settle((waiting) => waiting.reject(error as Error))),
    );
  }

  #settle(action: (waiting: Waiting<Item>) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) action(waiting);
  }

  /** A message that does not arrive breaks the connection: a retransmission is part of the delay. */
  #pass(way: "there" | "back", action: () => void): void {
    if (this.#to === undefined || this.#broken || this.#over) {
      this.#break();
      return;
    }
    const [sender, receiver] = way === "there" ? [this.#from, this.#to] : [this.#to, this.#from];
    if (!receiver.alive) {
      this.#break();
      return;
    }
    const delayMs = this.#network.transit(sender, receiver);
    if (delayMs === undefined) {
      this.#break();
      return;
    }
    receiver.at(this.#network.timeline.nowMs + delayMs, action);
  }

  #watchCut(): void {
    if (this.#isCut()) {
      this.#network.timeline.at(this.#network.timeline.nowMs + this.#breakMs, undefined, () => {
        if (this.#isCut()) this.#break();
      });
    }
  }

  #isCut(): boolean {
    const to = this.#to?.place ?? "";
    return this.#network.isCut(this.#from.place, to) || this.#network.isCut(to, this.#from.place);
  }

  #break(): void {
    if (this.#broken || this.#over) return;
    this.#broken = true;
    this.#endServer();
    // The reader's side finds out by its own keep-alive.
    this.#from.at(this.#network.timeline.nowMs + this.#breakMs, () => {
      this.#settle((waiting) => waiting.reject(brokenError()));
    });
  }

  #endServer(): void {
    const to = this.#to;
    if (to === undefined || !to.alive || this.#serverEnd.signal.aborted) return;
    to.at(this.#network.timeline.nowMs + this.#network.delay(), () => {
      this.#serverEnd.abort();
      // It may stand at a batch that nobody will take.
      this.#iterator?.return?.().catch(() => undefined);
    });
  }
}

type Waiting<Item> = { resolve(next: IteratorResult<Item>): void; reject(error: Error): void };

const brokenError = () => new TidingsError("unavailable", { detail: "The connection broke." });
