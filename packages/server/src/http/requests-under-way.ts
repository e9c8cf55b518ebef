import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { TidingsError, type UserId } from "@tidings/protocol";

/**
 * The requests of each user that are being answered: until the answer was taken, or the connection is closed. They are bounded
 * (G8), because an answer that nobody takes stays in memory, and one connection may ask for many ahead (HTTP pipelining).
 */
export class RequestsUnderWay {
  readonly #perUserMax: number;
  readonly #counts = new Map<UserId, number>();
  readonly #endsOf = new WeakMap<Socket, Set<() => void>>();

  constructor(options: { perUserMax: number }) {
    this.#perUserMax = options.perUserMax;
  }

  /** Counts a request until its answer is over. Throws `rate-limited` if the user has too many. */
  begin(user: UserId, { socket, response }: { socket: Socket; response: ServerResponse }): void {
    const count = this.#counts.get(user) ?? 0;
    if (count >= this.#perUserMax) {
      throw new TidingsError("rate-limited", {
        detail: `A user has at most ${this.#perUserMax} requests under way here.`,
        retryAfterMs,
      });
    }
    this.#counts.set(user, count + 1);
    const ends = this.#endsWith(socket);
    const end = (): void => {
      if (ends.delete(end)) this.#end(user);
    };
    ends.add(end);
    response.once("close", end);
  }

  countOf(user: UserId): number {
    return this.#counts.get(user) ?? 0;
  }

  #end(user: UserId): void {
    const count = (this.#counts.get(user) ?? 1) - 1;
    if (count > 0) this.#counts.set(user, count);
    else this.#counts.delete(user);
  }

  /** An answer that waits behind others is not told that its connection closes; it ends here. */
  #endsWith(socket: Socket): Set<() => void> {
    const known = this.#endsOf.get(socket);
    if (known !== undefined) return known;
    const ends = new Set<() => void>();
    this.#endsOf.set(socket, ends);
    socket.once("close", () => {
      for (const end of ends) end();
    });
    return ends;
  }
}

const retryAfterMs = 1_000;
