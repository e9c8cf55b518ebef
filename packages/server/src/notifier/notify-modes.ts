import type { ConversationId, NotifyMode, UserId } from "@tidings/protocol";
import type { Clock, MarkerStore } from "@tidings/core";
import type { AccessService } from "../services.ts";

type Modes = ReadonlyMap<UserId, NotifyMode>;

/** The notification modes of active conversations, remembered: they are asked for with every message and hardly change. */
export class NotifyModes {
  readonly #markers: MarkerStore;
  readonly #access: AccessService;
  readonly #lives: { readonly ms: number; readonly clock: Clock } | undefined;
  readonly #known = new Map<ConversationId, Promise<Modes>>();

  /** `lives`: where other machines set modes too, what is remembered is believed for so long. */
  constructor(markers: MarkerStore, access: AccessService, lives?: { readonly ms: number; readonly clock: Clock }) {
    this.#markers = markers;
    this.#access = access;
    this.#lives = lives;
  }

  of(conversation: ConversationId): Promise<Modes> {
    const known = this.#known.get(conversation);
    if (known !== undefined) return known;
    if (this.#known.size >= conversationsMax) this.#known.clear();
    const read = this.#read(conversation);
    this.#known.set(conversation, read);
    this.#lives?.clock.after(this.#lives.ms, () => {
      if (this.#known.get(conversation) === read) this.#known.delete(conversation);
    });
    read.catch(() => this.#known.delete(conversation));
    return read;
  }

  /** A user set his mode, or became a member again with one that he had set before. */
  forget(conversation: ConversationId): void {
    this.#known.delete(conversation);
  }

  async #read(conversation: ConversationId): Promise<Modes> {
    return await this.#markers.notifyModes(conversation, await this.#access.memberIds(conversation));
  }
}

const conversationsMax = 10_000;
