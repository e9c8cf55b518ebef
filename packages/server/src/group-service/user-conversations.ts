import type { UserConversation } from "@tidings/core";
import type { ConversationId, UserId } from "@tidings/protocol";

/**
 * The ids of the conversations that users are in, and how many they are, cached where this machine hears of every change. A read
 * that a change overtook is not kept. Numbers are kept by themselves where nobody asked for ids: every session's user is
 * counted, and ids take ten times as much.
 */
export class UserConversations {
  readonly #usersMax: number;
  readonly #known = new Map<UserId, readonly ConversationId[]>();
  readonly #counts = new Map<UserId, number>();
  /** The reading whose number is kept when it ends; a change of the user's conversations takes it away. */
  readonly #counting = new Map<UserId, object>();
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
    let found: readonly UserConversation[] = [];
    await this.#count([user], async () => {
      found = await read();
      return [found.length];
    });
    return found;
  }

  /** In the order asked; those that are not known are read together. */
  async counts(
    users: readonly UserId[],
    read: (users: readonly UserId[]) => Promise<readonly number[]>,
  ): Promise<readonly number[]> {
    const known = new Map<UserId, number>();
    for (const user of users) {
      const count = this.#known.get(user)?.length ?? this.#counts.get(user);
      if (count !== undefined) known.set(user, count);
    }
    const unknown = users.filter((user) => !known.has(user));
    if (unknown.length > 0) {
      const counts = await this.#count(unknown, () => read(unknown));
      for (const [index, user] of unknown.entries()) known.set(user, counts[index] ?? 0);
    }
    return users.map((user) => known.get(user) ?? 0);
  }

  forget(user: UserId): void {
    this.#known.delete(user);
    this.#counts.delete(user);
    this.#counting.delete(user);
    this.#underWay.delete(user);
  }

  forgetAll(): void {
    this.#known.clear();
    this.#counts.clear();
    this.#counting.clear();
    this.#underWay.clear();
  }

  async #count(users: readonly UserId[], read: () => Promise<readonly number[]>): Promise<readonly number[]> {
    const ticket = {};
    for (const user of users) this.#counting.set(user, ticket);
    try {
      const counts = await read();
      for (const [index, user] of users.entries()) {
        const count = counts[index];
        if (this.#counting.get(user) === ticket && count !== undefined) this.#keepCount(user, count);
      }
      return counts;
    } finally {
      for (const user of users) if (this.#counting.get(user) === ticket) this.#counting.delete(user);
    }
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
