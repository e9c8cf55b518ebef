import type { UserConversation } from "@tidings/core";
import type { ConversationId, UserId } from "@tidings/protocol";

/**
 * The ids of the conversations that users are in, and how many they are, cached. A read that a change overtook is not kept. Numbers
 * are kept by themselves where nobody asked for ids: every session's user is counted, and ids take ten times as much.
 */
export class UserConversations {
  readonly #usersMax: number;
  readonly #known = new Map<UserId, readonly ConversationId[]>();
  readonly #counts = new Map<UserId, number>();
  /** Goes up with every change of anybody's: what was counted before one and arrives after it is not kept. */
  #changes = 0;
  readonly #underWay = new Map<UserId, Promise<readonly ConversationId[]>>();

  constructor(usersMax: number) {
    this.#usersMax = usersMax;
  }

  async get(user: UserId, read: () => Promise<readonly UserConversation[]>): Promise<readonly ConversationId[]> {
    const known = this.#known.get(user) ?? this.#underWay.get(user);
    if (known !== undefined) return known;
    const underWay = read().then((found) => {
      const ids = found.map(({ membership }) => membership.conversation);
      if (this.#underWay.get(user) === underWay) this.#keep(user, ids);
      return ids;
    });
    this.#underWay.set(user, underWay);
    try {
      return await underWay;
    } finally {
      if (this.#underWay.get(user) === underWay) this.#underWay.delete(user);
    }
  }

  /** Reads for somebody who wants more than ids; their number is kept. */
  async counting(user: UserId, read: () => Promise<readonly UserConversation[]>): Promise<readonly UserConversation[]> {
    const changes = this.#changes;
    const found = await read();
    if (this.#changes === changes) this.#keepCount(user, found.length);
    return found;
  }

  async count(user: UserId, read: () => Promise<readonly UserConversation[]>): Promise<number> {
    const known = this.#known.get(user)?.length ?? this.#counts.get(user);
    if (known !== undefined) return known;
    return (await this.counting(user, read)).length;
  }

  forget(user: UserId): void {
    this.#changes += 1;
    this.#known.delete(user);
    this.#counts.delete(user);
    this.#underWay.delete(user);
  }

  forgetAll(): void {
    this.#changes += 1;
    this.#known.clear();
    this.#counts.clear();
    this.#underWay.clear();
  }

  #keepCount(user: UserId, count: number): void {
    if (this.#counts.size >= this.#usersMax) this.#counts.clear();
    this.#counts.set(user, count);
  }

  #keep(user: UserId, ids: readonly ConversationId[]): void {
    const [first] = this.#known.keys();
    if (this.#known.size >= this.#usersMax && first !== undefined) this.#known.delete(first);
    this.#known.set(user, ids);
  }
}
