import type { MembershipChange } from "@tidings/core";
import type { Seq, UserId } from "@tidings/protocol";

/**
 * The active members of one conversation, kept up to date by the changes, which may come again and out of order: of each
 * user only a change above his last one counts.
 */
export class MemberList {
  /** The Group DB had applied at least this much when the list was begun to be read. */
  readonly #readAtSeq: Seq;
  readonly #users: Set<UserId>;
  readonly #changedAt = new Map<UserId, Seq>();
  #array: readonly UserId[] | undefined;

  constructor(users: Iterable<UserId>, readAtSeq: Seq) {
    this.#users = new Set(users);
    this.#readAtSeq = readAtSeq;
  }

  /** The same array until somebody comes or goes. */
  get users(): readonly UserId[] {
    this.#array ??= [...this.#users];
    return this.#array;
  }

  /** What it takes up in a cache, in users. */
  get weight(): number {
    return this.#users.size + this.#changedAt.size;
  }

  note(changes: readonly MembershipChange[]): void {
    for (const change of changes) {
      if (change.change === "settings" || change.seq <= (this.#changedAt.get(change.user) ?? this.#readAtSeq)) continue;
      this.#changedAt.set(change.user, change.seq);
      if (change.change === "joined") this.#users.add(change.user);
      else this.#users.delete(change.user);
      this.#array = undefined;
    }
  }
}
