import type { ConversationId } from "@tidings/protocol";
import type { Clock } from "@tidings/core";
import type { Logger } from "pino";
import type { UserSocketCache } from "./user-socket-cache.ts";

/**
 * The machine's own slow clock (design, 4.6 and 4.7): conversations that sessions just registered for are checked a moment
 * later, and all that are followed here once in a while. Whatever a lossy push missed is found by this.
 */
export class HeadChecks {
  readonly #clock: Clock;
  readonly #cache: UserSocketCache;
  readonly #check: (ids: readonly ConversationId[]) => Promise<void>;
  readonly #log: Logger;
  readonly #fresh = new Set<ConversationId>();
  #all: Iterator<ConversationId> | undefined;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: {
    clock: Clock;
    cache: UserSocketCache;
    check: (ids: readonly ConversationId[]) => Promise<void>;
    log: Logger;
  }) {
    this.#clock = options.clock;
    this.#cache = options.cache;
    this.#check = options.check;
    this.#log = options.log;
  }

  /** A session registered for the conversation: look at its head once more. */
  soon(conversation: ConversationId): void {
    this.#fresh.add(conversation);
  }

  start(): void {
    this.#cancel = this.#clock.after(roundMs, () => {
      this.#round()
        .catch((error: unknown) => this.#log.warn({ err: error }, "Heads could not be checked."))
        .finally(() => {
          if (!this.#stopped) this.start();
        });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #round(): Promise<void> {
    const fresh = [...this.#fresh];
    this.#fresh.clear();
    for (let begin = 0; begin < fresh.length; begin += chunkMax) {
      await this.#check(fresh.slice(begin, begin + chunkMax));
    }
    const chunk = this.#nextChunk();
    if (chunk.length > 0) await this.#check(chunk);
  }

  /** Walks over all conversations, a chunk a round: 2,000 conversations take a second, 50,000 take 25. */
  #nextChunk(): ConversationId[] {
    const chunk: ConversationId[] = [];
    this.#all ??= this.#cache.conversations.keys();
    while (chunk.length < roundConversations) {
      const next = this.#all.next();
      if (next.done) {
        this.#all = undefined;
        break;
      }
      chunk.push(next.value);
    }
    return chunk;
  }
}

const roundMs = 1_000;
const chunkMax = 500;
const roundConversations = 2_000;
