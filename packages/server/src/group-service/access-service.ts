import { type ConversationId, directUsers, limits, type Seq, TidingsError, type UserId } from "@tidings/protocol";
import { asSeq } from "@tidings/protocol";
import { type GroupRecord, invariant, type Membership, readableRange, type Stores } from "@tidings/core";
import type { Access, AccessService, Base } from "../services.ts";
import { AccessCache, type AccessCacheOptions, type Ticket } from "./access-cache.ts";
import { catchUp } from "./catch-up.ts";
import { createConversationStates } from "./conversation-states.ts";
import { EndingCounts } from "./ending-counts.ts";
import { MemberList } from "./member-list.ts";
import { UserConversations } from "./user-conversations.ts";

/**
 * Who may read and write where. Read for every message and every sync, so what is in use is cached; the caches are exact on
 * one machine, because every change of a membership is noted here right after it was applied.
 *
 * What is not cached is read from the Group DB and compared with the entries, which are the truth: if the Group DB lags
 * behind them (a crash came in between), it is brought up first.
 *
 * In a fleet the caches are hints, because other machines change memberships too: what a reader may see is always read, and
 * says up to which entry it is true; a sender's membership is believed for some seconds.
 */
export function createAccessService(
  base: Pick<Base, "stores" | "clock">,
  options: AccessServiceOptions = {},
): AccessService {
  const { groups, memberships } = base.stores;
  const hints = options.cachesAre === "hints";
  const cache = new AccessCache({ ...cacheDefaults, ...options });
  const userConversations = new UserConversations(options.usersMax ?? usersMaxDefault);
  const holds = new Holds();
  const endings = new EndingCounts(endingUsersMax);

  const service: AccessService = {
    cachedMember(conversation, user) {
      const access = cache.access(conversation, user);
      if (access?.membership.state !== "active" || holds.has(conversation, user)) return undefined;
      return access.checked !== undefined && isOld(access.checked) ? undefined : access;
    },

    async accessAsMember(conversation, user) {
      const access = service.cachedMember(conversation, user) ?? (await accessAsReader(conversation, user));
      if (access.membership.state === "active") return access;
      throw new TidingsError("not-a-member");
    },

    accessAsReader,

    async accessAll(user, conversations, { once } = { once: false }) {
      const accesses = new Map<ConversationId, Access>();
      const missing: ConversationId[] = [];
      for (const conversation of conversations) {
        const access = cachedReader(conversation, user);
        if (access === undefined) missing.push(conversation);
        else accesses.set(conversation, access);
      }
      if (missing.length > fewMax) await readAll(user, { missing, once }, accesses);
      else await readEach(user, missing, accesses);
      return accesses;
    },

    async openDirect(conversation) {
      const pair = directUsers(conversation);
      invariant(pair !== undefined, "Only a direct conversation is opened.");
      if ((await groups.membership(conversation, pair[0])) !== undefined) return;
      for (const user of new Set(pair)) await checkRoomForOne(user);
      await groups.ensureDirect(conversation);
      for (const user of pair) userConversations.forget(user);
    },

    forget(conversation, user) {
      cache.forget(conversation, user);
      if (user === undefined) {
        userConversations.forgetAll();
        endings.noteAll();
      } else {
        userConversations.forget(user);
        endings.note(user);
      }
    },

    noteChanges(conversation, changes) {
      cache.note(conversation, changes);
      for (const change of changes) {
        if (change.change === "settings") continue;
        userConversations.forget(change.user);
        if (change.change !== "joined") endings.note(change.user);
      }
    },

    hold(conversation, users) {
      for (const user of users) endings.note(user);
      // Where caches are hints readers find the entry that ends a membership themselves, and need not wait for it.
      return hints ? () => undefined : holds.begin(conversation, users);
    },

    endingsOf: (user) => endings.of(user),
    noteEnding: (user) => endings.note(user),

    async formerMembers(conversation, users) {
      const former = new Map<UserId, Access | undefined>();
      if (directUsers(conversation) !== undefined) return former;
      await bringUp(conversation);
      const members = new Set(await service.memberIds(conversation));
      for (const user of users) {
        if (members.has(user)) continue;
        former.set(user, await accessAsReader(conversation, user).catch(undefinedIfUnknown));
      }
      return former;
    },

    async conversationIds(user) {
      const read = () => memberships.conversationsOf(user);
      if (!hints) return userConversations.get(user, read);
      return (await read()).map(({ membership }) => membership.conversation);
    },
    async conversationCounts(users) {
      const read = (some: readonly UserId[]) => memberships.conversationCounts(some);
      return hints ? read(users) : userConversations.counts(users, read);
    },

    ...createConversationStates(base.stores, {
      async accessAsMember(conversation, user) {
        if (!hints) return service.accessAsMember(conversation, user);
        const access = await accessAsReader(conversation, user);
        if (access.membership.state === "active") return access;
        throw new TidingsError("not-a-member");
      },
      conversationsOf(user) {
        const read = () => memberships.conversationsOf(user);
        return hints ? read() : userConversations.counting(user, read);
      },
      catchUp: bringUp,
    }),

    async memberIds(conversation) {
      const pair = directUsers(conversation);
      if (pair !== undefined) return pair[0] === pair[1] ? [pair[0]] : pair;
      if (hints) {
        await bringUp(conversation);
        return (await readMembers(base.stores, conversation)).users;
      }
      const members = cache.members(conversation, () => readMembers(base.stores, conversation));
      return (await members).users;
    },
  };
  return service;

  function isOld(checked: NonNullable<Access["checked"]>): boolean {
    return base.clock.monotonicMs() - checked.atMs > hintMs;
  }

  /** What is noted with an access that was compared with the entries up to this head. */
  function checkedAt(head: Seq | undefined): Pick<Access, "checked"> {
    return hints ? { checked: { seq: head ?? asSeq(0), atMs: base.clock.monotonicMs() } } : {};
  }

  function cachedReader(conversation: ConversationId, user: UserId): Access | undefined {
    if (hints) return undefined;
    const access = cache.access(conversation, user);
    return access === undefined || holds.has(conversation, user) ? undefined : access;
  }

  async function accessAsReader(conversation: ConversationId, user: UserId): Promise<Access> {
    const cached = cachedReader(conversation, user);
    if (cached !== undefined) return cached;
    for (let attempt = 1; ; attempt += 1) {
      await holds.over(conversation, user);
      const ticket = cache.ticket(conversation);
      const read = await readPair(conversation, user);
      const current = hints || (cache.isGood(ticket) && !holds.has(conversation, user));
      if (!current && attempt < attemptsMax) continue;
      return accessOf({ ticket, user, ...read });
    }
  }

  /** Throws `not-a-member` to who may know of the conversation, `conversation-not-found` to everybody else. */
  function accessOf(read: {
    ticket: Ticket;
    user: UserId;
    group: GroupRecord | undefined;
    membership: Membership | undefined;
    checked?: Access["checked"];
  }): Access {
    const { ticket, user, group, membership, checked } = read;
    const access = membership && toAccess(membership, group, checked);
    if (access !== undefined) {
      cache.keep(ticket, user, access);
      return access;
    }
    cache.giveUp(ticket);
    const mayKnow = group !== undefined && group.visibility === "public" && !group.closed;
    throw new TidingsError(mayKnow ? "not-a-member" : "conversation-not-found");
  }

  async function readPair(conversation: ConversationId, user: UserId) {
    const pair = directUsers(conversation);
    if (pair !== undefined) {
      const membership = pair.includes(user) ? await groups.membership(conversation, user) : undefined;
      return { group: undefined, membership };
    }
    for (let attempt = 1; ; attempt += 1) {
      const groupRead = groups.group(conversation);
      // Where no ticket tells of changes in between, in this order: a membership that is newer than the group shows by the head.
      if (hints) await groupRead;
      const [group, membership] = await Promise.all([groupRead, groups.membership(conversation, user)]);
      // Read last: an entry that is not applied to what was read just now is seen.
      const head = (await base.stores.messages.heads([conversation])).get(conversation);
      const behind = (head?.groupSeq ?? 0) > (group?.appliedSeq ?? 0);
      if (!behind || (attempt === attemptsMax && !hints)) return { group, membership, ...checkedAt(head?.head) };
      if (attempt === attemptsMax) throw new TidingsError("unavailable", { detail: "The group keeps changing." });
      await bringUp(conversation);
    }
  }

  async function readAll(
    user: UserId,
    { missing, once }: { missing: readonly ConversationId[]; once: boolean },
    accesses: Map<ConversationId, Access>,
  ): Promise<void> {
    const tickets = new Map<ConversationId, Ticket>();
    for (const conversation of missing) {
      await holds.over(conversation, user);
      tickets.set(conversation, cache.ticket(conversation));
    }
    const [active, ended] = await Promise.all([
      memberships.conversationsOf(user),
      memberships.conversationsOf(user, { ended: missing }),
    ]);
    const heads = await base.stores.messages.heads(missing);
    const found = new Map([...ended, ...active].map((one) => [one.membership.conversation, one]));
    const again: ConversationId[] = [];
    for (const [conversation, ticket] of tickets) {
      const { membership, group } = found.get(conversation) ?? {};
      const behind = membership !== undefined && (heads.get(conversation)?.groupSeq ?? 0) > (group?.appliedSeq ?? 0);
      // Found in neither list: it may have ended between the two readings.
      const between = hints && membership === undefined && heads.has(conversation);
      if (behind || between || (!hints && !cache.isGood(ticket)) || holds.has(conversation, user)) {
        again.push(conversation);
        continue;
      }
      const { checked } = checkedAt(heads.get(conversation)?.head);
      const access = membership && toAccess(membership, group, checked);
      if (access === undefined) {
        cache.giveUp(ticket);
        continue;
      }
      if (once) cache.giveUp(ticket);
      else cache.keep(ticket, user, access);
      accesses.set(conversation, access);
    }
    await readEach(user, again, accesses);
  }

  async function readEach(
    user: UserId,
    missing: readonly ConversationId[],
    accesses: Map<ConversationId, Access>,
  ): Promise<void> {
    for (const conversation of missing) {
      const access = await accessAsReader(conversation, user).catch(undefinedIfUnknown);
      if (access !== undefined) accesses.set(conversation, access);
    }
  }

  async function bringUp(conversation: ConversationId): Promise<void> {
    service.noteChanges(conversation, await catchUp(base.stores, conversation));
  }

  async function checkRoomForOne(user: UserId): Promise<void> {
    if ((await service.conversationIds(user)).length < limits.conversationsPerUserMax) return;
    throw new TidingsError("too-many-conversations");
  }
}

export type AccessServiceOptions = Partial<AccessCacheOptions> & {
  readonly usersMax?: number;
  /** `exact` (the default): every change of a membership is noted here. `hints`: other machines make changes too. */
  readonly cachesAre?: "exact" | "hints";
};

/** A sender who was removed elsewhere writes no longer than this, also if the word of it is lost. */
const hintMs = 5_000;

/** At some 150 bytes for each unit of weight: 75 MB at most. */
const cacheDefaults: AccessCacheOptions = { conversationsMax: 50_000, weightMax: 500_000 };
const usersMaxDefault = 50_000;
const endingUsersMax = 10_000;
/** How often a read is repeated that changes keep overtaking; the last one's answer is true for its moment, but not kept. */
const attemptsMax = 10;
/** Up to so many conversations are read one by one; more of them by the user's whole list. */
const fewMax = 2;

function toAccess(
  membership: Membership,
  group: GroupRecord | undefined,
  checked: Access["checked"],
): Access | undefined {
  const range = readableRange(membership, group?.history);
  if (range === undefined) return undefined;
  return {
    conversation: membership.conversation,
    membership,
    ...(group !== undefined && { group }),
    ...range,
    ...(checked !== undefined && { checked }),
  };
}

function undefinedIfUnknown(error: unknown): undefined {
  if (error instanceof TidingsError && (error.code === "not-a-member" || error.code === "conversation-not-found"))
    return;
  throw error;
}

async function readMembers(stores: Stores, conversation: ConversationId): Promise<MemberList> {
  // Before the pages: what is applied while they are read comes as a change as well.
  const readAtSeq = (await stores.groups.group(conversation))?.appliedSeq ?? asSeq(0);
  const users: UserId[] = [];
  let after: string | undefined;
  do {
    const request = { state: "active", limit: 1_000, ...(after !== undefined && { after }) } as const;
    const page = await stores.groups.members(conversation, request);
    for (const membership of page.items) users.push(membership.user);
    after = page.next;
  } while (after !== undefined);
  return new MemberList(users, readAtSeq);
}

/** Memberships that are about to end. */
class Holds {
  readonly #byConversation = new Map<ConversationId, Set<{ users: readonly UserId[]; over: Promise<void> }>>();

  begin(conversation: ConversationId, users: readonly UserId[]): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const hold = { users, over: promise };
    const holds = this.#byConversation.get(conversation) ?? new Set();
    this.#byConversation.set(conversation, holds.add(hold));
    return () => {
      holds.delete(hold);
      if (holds.size === 0 && this.#byConversation.get(conversation) === holds)
        this.#byConversation.delete(conversation);
      resolve();
    };
  }

  has(conversation: ConversationId, user: UserId): boolean {
    return this.#byConversation.size > 0 && this.#find(conversation, user) !== undefined;
  }

  async over(conversation: ConversationId, user: UserId): Promise<void> {
    for (let hold = this.#find(conversation, user); hold !== undefined; hold = this.#find(conversation, user)) {
      await hold.over;
    }
  }

  #find(conversation: ConversationId, user: UserId) {
    for (const hold of this.#byConversation.get(conversation) ?? []) if (hold.users.includes(user)) return hold;
    return undefined;
  }
}
