import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * A way between two processes that can be cut: while it is, nothing passes in either direction and nobody is told, as with a cable
 * that is pulled; what was under way goes on when it is healed, as by retransmission. A connection that either side gave up
 * meanwhile is found closed then.
 */
export class CutProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #to: number;
  #isCut = false;

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer({ pauseOnConnect: true }, (near) => this.#accept(near));
  }

  /** A proxy on a free port of 127.0.0.1 before the port `to` of it. */
  static async open(to: number): Promise<CutProxy> {
    const proxy = new CutProxy(to);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#isCut = true;
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  heal(): void {
    this.#isCut = false;
    for (const { near, far } of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  async close(): Promise<void> {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    const far = connect({ port: this.#to, host: "127.0.0.1" });
    const pair: Pair = { near, far };
    this.#pairs.add(pair);
    for (const socket of [near, far]) socket.setNoDelay(true);
    this.#pass(near, far);
    this.#pass(far, near);
    const end = (): void => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("error", end).on("close", end);
    if (!this.#isCut) near.resume();
    else far.pause();
  }

  /** With back-pressure: whoever reads slowly is written to slowly. */
  #pass(from: Socket, to: Socket): void {
    from.on("data", (bytes) => {
      if (to.write(bytes)) return;
      from.pause();
      to.once("drain", () => {
        if (!this.#isCut) from.resume();
      });
    });
    from.on("end", () => to.end());
  }
}

type Pair = { readonly near: Socket; readonly far: Socket };
