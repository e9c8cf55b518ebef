import type { Server } from "node:http";
import type { Socket } from "node:net";
import { TidingsError } from "@tidings/protocol";
import type { Clock } from "@tidings/core";
import { endConnection } from "./client-errors.ts";

/**
 * The connections that have not shown a valid token yet, counted by address, so that one address cannot take up all of the
 * server with connections that say nothing.
 */
export class PendingConnections {
  readonly #perAddressMax: number;
  readonly #isProxy: (address: string) => boolean;
  readonly #counts = new Map<string, number>();
  readonly #addresses = new WeakMap<Socket, string>();

  constructor(options: { perAddressMax: number; isProxy: (address: string) => boolean }) {
    this.#perAddressMax = options.perAddressMax;
    this.#isProxy = options.isProxy;
    const pending = this;
    this.#handleClose = function () {
      pending.end(this);
    };
  }

  /** One listener for all: it outlives the hello, and a closure for each connection is memory of every idle session. */
  readonly #handleClose: (this: Socket) => void;

  /** Counts the server's connections from now on, and refuses those that are too many. */
  watch(server: Server, clock: Clock): void {
    server.on("connection", (socket: Socket) => {
      const address = socket.remoteAddress;
      // A proxy's connections are many clients'; `begin` counts them when the request says whose it is.
      if (address === undefined || this.#isProxy(address)) return;
      if (this.begin(socket, address)) return;
      endConnection(socket, new TidingsError("too-many-connections", { retryAfterMs }), clock);
    });
  }

  /** Counts a connection, unless it is counted already; false if its address has too many. */
  begin(socket: Socket, address: string): boolean {
    if (this.#addresses.has(socket)) return true;
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#perAddressMax) return false;
    this.#counts.set(address, count + 1);
    this.#addresses.set(socket, address);
    socket.on("close", this.#handleClose);
    return true;
  }

  /** The connection showed a valid token, or is closed. Again does nothing. */
  end(socket: Socket): void {
    const address = this.#addresses.get(socket);
    if (address === undefined) return;
    this.#addresses.delete(socket);
    const count = (this.#counts.get(address) ?? 1) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }

  countOf(address: string): number {
    return this.#counts.get(address) ?? 0;
  }
}

const retryAfterMs = 1_000;
