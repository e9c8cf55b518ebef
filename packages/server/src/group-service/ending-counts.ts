import type { UserId } from "@tidings/protocol";
import { LruMap } from "../lru-map.ts";

/**
 * When a membership of each user ended last, on a clock that counts endings. It remembers some users only; of the others it
 * says the latest moment that it may have been, which is never too early.
 */
export class EndingCounts {
  #endings = 0;
  #forgotten = 0;
  readonly #byUser: LruMap<UserId, number>;

  constructor(usersMax: number) {
    this.#byUser = new LruMap(usersMax, (_user, ending) => {
      this.#forgotten = Math.max(this.#forgotten, ending);
    });
  }

  note(user: UserId): void {
    this.#endings += 1;
    this.#byUser.set(user, this.#endings);
  }

  noteAll(): void {
    this.#endings += 1;
    this.#forgotten = this.#endings;
  }

  of(user: UserId): number {
    return Math.max(this.#byUser.get(user) ?? 0, this.#forgotten);
  }
}
