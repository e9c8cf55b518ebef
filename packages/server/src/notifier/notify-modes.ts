import type { ConversationId, NotifyMode, UserId } from "@tidings/protocol";
import type { Clock, MarkerStore } from "@tidings/core";

type Modes = ReadonlyMap<UserId, NotifyMode>;

/**
 * The notification modes of active conversations, remembered: they are asked for with every message and hardly change. Of those who
 * set one only: a large group is not read for them.
 */
export class NotifyModes {
  readonly #markers: MarkerStore;
  readonly #lives: { readonly ms: number; readonly clock: Clock } | undefined;
  readonly #known = new Map<ConversationId, Promise<Modes>>();

  /** `lives`: where other machines set modes too, what is remembered is believed for so long. */
  constructor(markers: MarkerStore, lives?: { readonly ms: number; readonly clock: Clock }) {
    this.#markers = markers;
    this.#lives = lives;
  }

  of(conversation: ConversationId): Promise<Modes> {
    const known = this.#known.get(conversation);
    if (known !== undefined) return known;
    if (this.#known.size >= conversationsMax) this.#known.clear();
    const read = this.#markers.notifyModes(conversation);
    this.#known.set(conversation, read);
    this.#lives?.clock.after(this.#lives.ms, () => {
      if (this.#known.get(conversation) === read) this.#known.delete(conversation);
    });
    read.catch(() => this.#known.delete(conversation));
    return read;
  }

  /** A user set his mode. */
  forget(conversation: ConversationId): void {
    this.#known.delete(conversation);
  }
}

const conversationsMax = 10_000;
