import type { UserConversation } from "@tidings/core";
import type { ConversationId, UserId } from "@tidings/protocol";
import type { Base } from "../services.ts";

/**
 * The ids of the conversations that users are in, and how many they are, cached. A read that a change overtook is not kept. Numbers
 * are kept by themselves where nobody asked for ids: every session's user is counted, and ids take ten times as much.
 *
 * Where other machines change memberships too, what is kept of a user lives for a while only, because the word of a change may be
 * lost. How long is drawn for each, so that what was read at once is not all read again at once.
 */
export class UserConversations {
  readonly #usersMax: number;
  readonly #known = new Map<UserId, readonly ConversationId[]>();
  readonly #counts = new Map<UserId, number>();
  /** The reading whose number is kept when it ends; a change of the user's conversations takes it away. */
  readonly #counting = new Map<UserId, object>();
  /** Where lives are bounded: user → when what is kept of him is over. */
  readonly #untilMs = new Map<UserId, number>();
  readonly #lives: Pick<Base, "clock" | "random"> | undefined;
  readonly #underWay = new Map<UserId, Promise<readonly ConversationId[]>>();

  constructor(usersMax: number, lives?: Pick<Base, "clock" | "random">) {
    this.#usersMax = usersMax;
    this.#lives = lives;
  }

  async get(user: UserId, read: () => Promise<readonly UserConversation[]>): Promise<readonly ConversationId[]> {
    this.#dropIfOver(user);
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
    const ticket = {};
    this.#counting.set(user, ticket);
    try {
      const found = await read();
      if (this.#counting.get(user) === ticket) this.#keepCount(user, found.length);
      return found;
    } finally {
      if (this.#counting.get(user) === ticket) this.#counting.delete(user);
    }
  }

  async count(user: UserId, read: () => Promise<readonly UserConversation[]>): Promise<number> {
    this.#dropIfOver(user);
    const known = this.#known.get(user)?.length ?? this.#counts.get(user);
    if (known !== undefined) return known;
    return (await this.counting(user, read)).length;
  }

  forget(user: UserId): void {
    this.#drop(user);
    this.#counting.delete(user);
    this.#underWay.delete(user);
  }

  forgetAll(): void {
    this.#known.clear();
    this.#counts.clear();
    this.#untilMs.clear();
    this.#counting.clear();
    this.#underWay.clear();
  }

  #keepCount(user: UserId, count: number): void {
    this.#beginLife(user);
    if (this.#counts.size >= this.#usersMax) this.#counts.clear();
    this.#counts.set(user, count);
  }

  #keep(user: UserId, ids: readonly ConversationId[]): void {
    this.#beginLife(user);
    const [first] = this.#known.keys();
    if (this.#known.size >= this.#usersMax && first !== undefined) this.#known.delete(first);
    this.#known.set(user, ids);
  }

  /** What is kept later of the same user ends with what was kept first. */
  #beginLife(user: UserId): void {
    if (this.#lives === undefined) return;
    this.#dropIfOver(user);
    if (this.#untilMs.has(user)) return;
    // Whoever has no end here is read again.
    if (this.#untilMs.size >= this.#usersMax) this.#untilMs.clear();
    const { clock, random } = this.#lives;
    this.#untilMs.set(user, clock.monotonicMs() + lifeMsMin + random.fraction() * (lifeMsMax - lifeMsMin));
  }

  #dropIfOver(user: UserId): void {
    if (this.#lives === undefined) return;
    if (this.#lives.clock.monotonicMs() >= (this.#untilMs.get(user) ?? 0)) this.#drop(user);
  }

  #drop(user: UserId): void {
    this.#known.delete(user);
    this.#counts.delete(user);
    this.#untilMs.delete(user);
  }
}

/** With the slow clock's walk it stays within a heartbeat (G5): a walk that takes longer than a life finds it over each time. */
const lifeMsMin = 6_000;
const lifeMsMax = 12_000;
