import { invariant, type MembershipChange } from "@tidings/core";
import type { ConversationId, UserId } from "@tidings/protocol";
import type { Access } from "../services.ts";
import type { MemberList } from "./member-list.ts";

export type AccessCacheOptions = {
  readonly conversationsMax: number;
  /** Accesses and members of all cached conversations together. */
  readonly weightMax: number;
};

/**
 * Who may do what in the conversations that are in use. What was read from the Group DB before a change, and arrives here
 * after it, must not be kept: whoever reads takes a ticket first, and a change makes tickets void.
 */
export class AccessCache {
  readonly #options: AccessCacheOptions;
  readonly #conversations = new Map<ConversationId, CachedConversation>();
  #weight = 0;

  constructor(options: AccessCacheOptions) {
    this.#options = options;
  }

  get weight(): number {
    return this.#weight;
  }

  access(conversation: ConversationId, user: UserId): Access | undefined {
    const cached = this.#conversations.get(conversation);
    const access = cached?.accesses.get(user);
    if (cached !== undefined && access !== undefined) cached.used = true;
    return access;
  }

  /** The active members; `read` is called where they are not cached, and once for all who ask while it reads. */
  members(conversation: ConversationId, read: () => Promise<MemberList>): MemberList | Promise<MemberList> {
    const { cached } = this.ticket(conversation);
    if (cached.members !== undefined) {
      cached.used = true;
      return cached.members;
    }
    cached.membersUnderWay ??= this.#readMembers(conversation, cached, read);
    return cached.membersUnderWay.list;
  }

  #readMembers(
    conversation: ConversationId,
    cached: CachedConversation,
    read: () => Promise<MemberList>,
  ): MembersUnderWay {
    const meanwhile: MembershipChange[] = [];
    const finish = async (): Promise<MemberList> => {
      try {
        const list = await read();
        list.note(meanwhile);
        // Another reading has begun since if all of the conversation was forgotten on the way.
        if (cached.membersUnderWay === underWay && this.#conversations.get(conversation) === cached) {
          cached.members = list;
          this.#weigh(cached);
          this.#evictOverweight(conversation);
        }
        return list;
      } finally {
        if (cached.membersUnderWay === underWay) cached.membersUnderWay = undefined;
      }
    };
    const underWay: MembersUnderWay = { meanwhile, list: Promise.resolve().then(finish) };
    return underWay;
  }

  /** Before reading from the Group DB what may be kept here. */
  ticket(conversation: ConversationId): Ticket {
    let cached = this.#conversations.get(conversation);
    if (cached === undefined) {
      cached = {
        version: 0,
        used: false,
        accesses: new Map(),
        members: undefined,
        membersUnderWay: undefined,
        membersWeight: 0,
      };
      this.#conversations.set(conversation, cached);
      if (this.#conversations.size > this.#options.conversationsMax) this.#evict(conversation);
    }
    return { conversation, cached, version: cached.version };
  }

  /** Has nothing changed since the ticket was taken? */
  isGood({ conversation, cached, version }: Ticket): boolean {
    return cached.version === version && this.#conversations.get(conversation) === cached;
  }

  keep(ticket: Ticket, user: UserId, access: Access): void {
    if (!this.isGood(ticket)) return;
    const { accesses } = ticket.cached;
    if (!accesses.has(user)) this.#weight += 1;
    accesses.set(user, access);
    this.#evictOverweight(ticket.conversation);
  }

  /** Lets the place of a ticket go with which nothing was found. */
  giveUp({ conversation, cached }: Ticket): void {
    if (cached.accesses.size > 0 || cached.members !== undefined || cached.membersUnderWay !== undefined) return;
    if (this.#conversations.get(conversation) === cached) this.#conversations.delete(conversation);
  }

  forget(conversation: ConversationId, user: UserId | undefined): void {
    const cached = this.#conversations.get(conversation);
    if (cached === undefined) return;
    if (user === undefined) {
      this.#drop(conversation, cached);
      return;
    }
    cached.version += 1;
    if (cached.accesses.delete(user)) this.#weight -= 1;
    cached.members = undefined;
    cached.membersUnderWay = undefined;
    this.#weigh(cached);
  }

  note(conversation: ConversationId, changes: readonly MembershipChange[]): void {
    const cached = this.#conversations.get(conversation);
    if (cached === undefined) return;
    cached.version += 1;
    for (const change of changes) {
      if (change.change === "settings") {
        this.#weight -= cached.accesses.size;
        cached.accesses.clear();
      } else if (cached.accesses.delete(change.user)) {
        this.#weight -= 1;
      }
    }
    cached.members?.note(changes);
    cached.membersUnderWay?.meanwhile.push(...changes);
    this.#weigh(cached);
  }

  #weigh(cached: CachedConversation): void {
    const weight = cached.members?.weight ?? 0;
    this.#weight += weight - cached.membersWeight;
    cached.membersWeight = weight;
  }

  #drop(conversation: ConversationId, cached: CachedConversation): void {
    this.#conversations.delete(conversation);
    this.#weight -= cached.accesses.size + cached.membersWeight;
    invariant(this.#weight >= 0, "A cache weighs at least nothing.");
  }

  #evictOverweight(kept: ConversationId): void {
    while (this.#weight > this.#options.weightMax && this.#conversations.size > 1) this.#evict(kept);
  }

  /** Lets the conversation go that came first and was not used lately; a used one gets a second chance, behind all others. */
  #evict(kept: ConversationId): void {
    let looks = secondChancesMax;
    for (const [conversation, cached] of this.#conversations) {
      if (conversation !== kept && (!cached.used || looks <= 0)) {
        this.#drop(conversation, cached);
        return;
      }
      looks -= 1;
      cached.used = false;
      this.#conversations.delete(conversation);
      this.#conversations.set(conversation, cached);
    }
  }
}

export type Ticket = {
  readonly conversation: ConversationId;
  readonly cached: CachedConversation;
  readonly version: number;
};

type CachedConversation = {
  version: number;
  used: boolean;
  readonly accesses: Map<UserId, Access>;
  members: MemberList | undefined;
  membersUnderWay: MembersUnderWay | undefined;
  membersWeight: number;
};

type MembersUnderWay = {
  /** Changes that came while the list is being read. */
  readonly meanwhile: MembershipChange[];
  readonly list: Promise<MemberList>;
};

const secondChancesMax = 16;
