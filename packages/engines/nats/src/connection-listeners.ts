import type { ConnectionEvent } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";

/** Events that wait for one listener; beyond it the listening ends with an error, and is begun again (G8). */
const eventsMax = 100_000;

/** Events for any number of listeners, each with a bounded queue of its own. */
export class ConnectionListeners {
  readonly #listeners = new Set<Listener>();

  get count(): number {
    return this.#listeners.size;
  }

  tell(event: ConnectionEvent): void {
    for (const listener of this.#listeners) {
      if (listener.events.length >= eventsMax) listener.isOverrun = true;
      else listener.events.push(event);
      listener.wake?.();
    }
  }

  /** `begin` is asked for the first batch at the moment from which on events are told. */
  async *listen(
    begin: () => readonly ConnectionEvent[],
    signal: AbortSignal,
  ): AsyncGenerator<readonly ConnectionEvent[]> {
    if (signal.aborted) return;
    const listener: Listener = { events: [], isOverrun: false, wake: undefined };
    this.#listeners.add(listener);
    try {
      yield begin();
      while (!signal.aborted) {
        if (listener.isOverrun) throw new TidingsError("unavailable");
        if (listener.events.length === 0) await newsOf(listener, signal);
        else yield listener.events.splice(0);
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }
}

type Listener = { readonly events: ConnectionEvent[]; isOverrun: boolean; wake: (() => void) | undefined };

function newsOf(listener: Listener, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      listener.wake = undefined;
      signal.removeEventListener("abort", wake);
      resolve();
    };
    listener.wake = wake;
    signal.addEventListener("abort", wake);
  });
}
