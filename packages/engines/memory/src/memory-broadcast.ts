import { TidingsError } from "@tidings/protocol";
import { WakeUp } from "./wake-up.ts";

/** Events that wait for one listener; beyond it the listening ends with an error, and is begun again (G8). */
export const broadcastEventsMax = 100_000;

/** Events for any number of listeners, each with a bounded queue of its own. */
export class MemoryBroadcast<Event> {
  readonly #listeners = new Set<Listener<Event>>();

  get listeners(): number {
    return this.#listeners.size;
  }

  tell(event: Event): void {
    for (const listener of this.#listeners) {
      if (listener.events.length >= broadcastEventsMax) listener.isOverrun = true;
      else listener.events.push(event);
      listener.news.wake();
    }
  }

  /** `begin` is asked for the first batch at the moment from which on events are told. */
  async *listen(begin: () => readonly Event[], signal: AbortSignal): AsyncGenerator<readonly Event[]> {
    if (signal.aborted) return;
    const listener: Listener<Event> = { events: [], isOverrun: false, news: new WakeUp() };
    this.#listeners.add(listener);
    try {
      yield begin();
      while (!signal.aborted) {
        if (listener.isOverrun) throw new TidingsError("unavailable");
        if (listener.events.length === 0) await listener.news.next(signal);
        else yield listener.events.splice(0);
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }
}

type Listener<Event> = { readonly events: Event[]; isOverrun: boolean; readonly news: WakeUp };
