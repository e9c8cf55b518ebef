import {
  asSeq,
  directUsers,
  type ConversationId,
  type Entry,
  type MessageId,
  type Seq,
  type UserId,
} from "@tidings/protocol";

export type TrueEntry = {
  readonly seq: Seq;
  readonly json: string;
  readonly entry: Entry;
  readonly storedAtMs: number;
};

/** A time in a conversation, from the entry with which it began to the one with which it ended. */
export type Stay = { readonly joinedSeq: Seq; endedSeq?: Seq };

/** What the store holds, as it was stored: past the network, past the machines, and past crashes. */
export class Truth {
  readonly conversations = new Map<ConversationId, TrueEntry[]>();
  /** `conversation sender message_id` → where the message stands. */
  readonly messages = new Map<string, Seq>();
  readonly #stays = new Map<ConversationId, Map<UserId, Stay[]>>();
  /** The conversations in which a user is or was. */
  readonly #ofUser = new Map<UserId, Set<ConversationId>>();
  /** Up to which seq membership is folded into the Group DB. */
  readonly folded = new Map<ConversationId, Seq>();

  /** Takes the next entry of a conversation; one that is known already (a journal is done again) is compared. */
  add(conversation: ConversationId, stored: TrueEntry): "new" | "known" | "another" | "gap" {
    const entries = this.conversations.get(conversation) ?? [];
    this.conversations.set(conversation, entries);
    const known = entries[stored.seq - 1];
    if (known !== undefined) return known.json === stored.json ? "known" : "another";
    if (stored.seq !== entries.length + 1) return "gap";
    if (stored.seq === 1) for (const user of directUsers(conversation) ?? []) this.#noteUser(user, conversation);
    entries.push(stored);
    this.#noteStay(conversation, stored.entry);
    return "new";
  }

  head(conversation: ConversationId): number {
    return this.conversations.get(conversation)?.length ?? 0;
  }

  entry(conversation: ConversationId, seq: number): TrueEntry | undefined {
    return this.conversations.get(conversation)?.[seq - 1];
  }

  conversationsOf(user: UserId): Iterable<ConversationId> {
    return this.#ofUser.get(user) ?? [];
  }

  stays(conversation: ConversationId, user: UserId): readonly Stay[] {
    const known = this.#stays.get(conversation)?.get(user);
    if (known !== undefined) return known;
    // Most are groups, of which he may never have been a member.
    if (!conversation.startsWith("d_")) return noStay;
    return directUsers(conversation)?.includes(user) === true ? stayOfPair : noStay;
  }

  /** The stay that goes on. */
  stayNow(conversation: ConversationId, user: UserId): Stay | undefined {
    const last = this.stays(conversation, user).at(-1);
    return last?.endedSeq === undefined ? last : undefined;
  }

  /** May he read this entry, as things are now? Histories are open to members from the first entry on. */
  mayRead(conversation: ConversationId, user: UserId, seq: number): boolean {
    const last = this.stays(conversation, user).at(-1);
    return last !== undefined && seq <= (last.endedSeq ?? Number.POSITIVE_INFINITY);
  }

  members(conversation: ConversationId): UserId[] {
    const pair = directUsers(conversation);
    if (pair !== undefined) return [...new Set(pair)];
    const stays = this.#stays.get(conversation) ?? new Map<UserId, Stay[]>();
    return [...stays].flatMap(([user, all]) => (all.at(-1)?.endedSeq === undefined ? [user] : []));
  }

  #noteUser(user: UserId, conversation: ConversationId): void {
    const own = this.#ofUser.get(user);
    if (own === undefined) this.#ofUser.set(user, new Set([conversation]));
    else own.add(conversation);
  }

  #noteStay(conversation: ConversationId, entry: Entry): void {
    if (entry.kind !== "member-joined" && entry.kind !== "member-left" && entry.kind !== "member-removed") return;
    const users = this.#stays.get(conversation) ?? new Map<UserId, Stay[]>();
    this.#stays.set(conversation, users);
    const stays = users.get(entry.user) ?? [];
    users.set(entry.user, stays);
    const last = stays.at(-1);
    this.#noteUser(entry.user, conversation);
    if (entry.kind === "member-joined") stays.push({ joinedSeq: entry.seq });
    else if (last !== undefined && last.endedSeq === undefined) last.endedSeq = entry.seq;
  }
}

export const messageKey = (conversation: ConversationId, sender: UserId, id: MessageId): string =>
  `${conversation} ${sender} ${id}`;

const noStay: readonly Stay[] = [];
const stayOfPair: readonly Stay[] = [{ joinedSeq: asSeq(1) }];
