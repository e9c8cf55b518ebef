import type { UserId } from "@tidings/protocol";
import type { Clock } from "@tidings/core";
import type { Logger } from "pino";
import type { UserSocketCache } from "./user-socket-cache.ts";

/**
 * In a fleet the word that a user came into a conversation may be lost on its way to his machine. So each machine looks once in
 * `cycleMs` at what the users of its sessions are members of, and brings what is missing (G5).
 */
export class UserChecks {
  readonly #clock: Clock;
  readonly #cache: UserSocketCache;
  readonly #check: (user: UserId) => Promise<void>;
  readonly #log: Logger;
  #waiting: UserId[] = [];
  #aRound = 0;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: {
    clock: Clock;
    cache: UserSocketCache;
    check: (user: UserId) => Promise<void>;
    log: Logger;
  }) {
    this.#clock = options.clock;
    this.#cache = options.cache;
    this.#check = options.check;
    this.#log = options.log;
  }

  start(): void {
    this.#cancel = this.#clock.after(roundMs, () => {
      this.#round()
        .catch((error: unknown) => this.#log.warn({ err: error }, "Memberships could not be checked."))
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
    if (this.#waiting.length === 0) {
      this.#waiting = [...this.#cache.usersWithSessions()];
      this.#aRound = Math.ceil(this.#waiting.length / (cycleMs / roundMs));
    }
    // Taken out first: a user whose look fails must not stop those behind him.
    const users = this.#waiting.splice(0, this.#aRound);
    const looks = await Promise.allSettled(users.map((user) => this.#check(user)));
    for (const look of looks) if (look.status === "rejected") throw look.reason;
  }
}

const roundMs = 1_000;
/** Below the heartbeat's 25 s, with some time left for the reading. */
const cycleMs = 20_000;
