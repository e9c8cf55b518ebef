import type { Clock } from "@tidings/core";
import type { ClientLink } from "./client-link.ts";
import type { ReceiveParts } from "./receive-parts.ts";
import { SocketConnection } from "./socket-connection.ts";

/** The sockets that are open at this machine, whoever accepted them. */
export class Connections {
  readonly #open = new Set<SocketConnection>();

  get count(): number {
    return this.#open.size;
  }

  open(parts: ReceiveParts, link: ClientLink): SocketConnection {
    const connection = new SocketConnection(parts, link, this);
    this.#open.add(connection);
    return connection;
  }

  /** For the connection: it is closed. */
  closed(connection: SocketConnection): void {
    this.#open.delete(connection);
  }

  /** Tells every session when to come back; resolves when all sockets are closed. */
  async drain(clock: Clock): Promise<void> {
    for (const connection of this.#open) connection.drain();
    while (this.#open.size > 0) await clock.sleep(drainLookMs);
  }

  /** Closes whatever is open, at once. */
  stop(): void {
    for (const connection of this.#open) connection.terminate();
  }
}

const drainLookMs = 50;
