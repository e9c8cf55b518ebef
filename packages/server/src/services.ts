import type {
  ConversationId,
  ConversationState,
  HttpAnswer,
  HttpBody,
  HttpQuery,
  MessageId,
  Notification,
  NotifyMode,
  Role,
  Seq,
  User,
  UserId,
} from "@tidings/protocol";
import type { Clock, GroupRecord, Membership, MembershipChange, Random, Stores } from "@tidings/core";
import type { Logger } from "pino";

/** What the services offer to each other and to the HTTP routes. Errors are TidingsErrors of the catalogue. */

/** What every service is built over. */
export type Base = {
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
};

/** Everything that runs: `run` resolves when it has ended after `drain` or `stop`; both may be called again. */
export interface Running {
  run(): Promise<void>;
  /** Ends in order: takes nothing new, finishes what it has. */
  drain(): Promise<void>;
  /** Ends at once. */
  stop(): Promise<void>;
}

/** Who a request comes from. */
export type Caller = {
  readonly user: User;
  /** Identifies the token for revocation; for a JWT its `jti`, or a hash of it. */
  readonly token: string;
  /** When the token stops being valid; sessions end then too. */
  readonly expiresAtMs?: number;
};

export interface Authenticator {
  /** Rejects with `token-invalid`, `token-expired`, `token-revoked` or `unavailable`. */
  authenticate(token: string): Promise<Caller>;
  /**
   * Those of the callers whose tokens have been revoked since they were shown. Absent where whoever revokes a token always reaches
   * its sessions. At most 500 callers. Rejects with `unavailable`.
   */
  revokedOf?(callers: readonly Caller[]): Promise<ReadonlySet<Caller>>;
}

export type Target = { readonly conversation: ConversationId } | { readonly to: UserId };
export type MessageInput = HttpBody<"sendMessage">;
export type TakenMessage = {
  readonly conversation: ConversationId;
  readonly messageId: MessageId;
  /** Absent where the message is durable and not sequenced yet. */
  readonly seq?: Seq;
  readonly atMs: number;
};

export interface SendService {
  /** Checks, makes durable, answers. Order: calls made one after the other by one caller are stored in that order. */
  send(sender: UserId, target: Target, message: MessageInput): Promise<TakenMessage>;
}

/** What a user may read of a conversation: firstSeq … lastSeq, or to the head where lastSeq is absent. */
export type Access = {
  readonly conversation: ConversationId;
  readonly membership: Membership;
  readonly group?: GroupRecord;
  readonly firstSeq: Seq;
  readonly lastSeq?: Seq;
  /**
   * Where caches are hints: what is said here was compared with the entries up to this one, at this monotonic time. Absent: it is
   * true until something else is noted.
   */
  readonly checked?: { readonly seq: Seq; readonly atMs: number };
};

export interface AccessService {
  /** For a sender: an active member. Rejects with `not-a-member`, `conversation-not-found`. Cached; exact on one machine. */
  accessAsMember(conversation: ConversationId, user: UserId): Promise<Access>;
  /** The same without waiting, if it is cached: a sender's hot path. */
  cachedMember(conversation: ConversationId, user: UserId): Access | undefined;
  /** Makes the direct conversation of two users known to the Group DB, so that both are members of it. Again does nothing. */
  openDirect(conversation: ConversationId): Promise<void>;
  /** For a reader: also a former member, with `lastSeq`. Rejects as above. */
  accessAsReader(conversation: ConversationId, user: UserId): Promise<Access>;
  /**
   * For many at once; a conversation that the user may not know of is absent. `once` says that the caller does not ask again
   * soon: what was read for him takes up no room in the cache.
   */
  accessAll(
    user: UserId,
    conversations: readonly ConversationId[],
    options?: { readonly once: boolean },
  ): Promise<ReadonlyMap<ConversationId, Access>>;
  /** Forgets what is cached of a conversation, where it is not known what changed; `noteChanges` costs less. */
  forget(conversation: ConversationId, user?: UserId): void;
  /** Brings the caches up to changes that the Group DB holds: called after every `GroupStore.apply`. Again does no harm. */
  noteChanges(conversation: ConversationId, changes: readonly MembershipChange[]): void;
  /**
   * From now until the answer is called, nobody gets a cached access of these users to the conversation, and who asks for
   * one waits: the caller is about to end their memberships. A reader who learns the head first, and asks for access after
   * that, has therefore no head above the entry that removed him (G7).
   */
  hold(conversation: ConversationId, users: readonly UserId[]): () => void;
  /**
   * Another number whenever a membership of the user may have ended. Whoever reads what the user may read, and acts on it
   * after having waited for something else, reads again if the number is not what it was before the first reading (G7).
   */
  endingsOf(user: UserId): number;
  /** An entry that ends a membership of the user came to this machine. */
  noteEnding(user: UserId): void;
  /** Of these users those who are not members, with what they may still read. Compared with the entries, not with a cache. */
  formerMembers(
    conversation: ConversationId,
    users: Iterable<UserId>,
  ): Promise<ReadonlyMap<UserId, Access | undefined>>;
  /** The conversations that the user is an active member of, in no order. Cached where that is exact; read in a fleet. */
  conversationIds(user: UserId): Promise<readonly ConversationId[]>;
  /** How many they are, for each of at most 1,000 users, in the order asked. Cached for more users than ids are. */
  conversationCounts(users: readonly UserId[]): Promise<readonly number[]>;
  /** The states of all conversations that the user is an active member of and that have an entry. */
  states(user: UserId): Promise<readonly ConversationState[]>;
  state(user: UserId, conversation: ConversationId): Promise<ConversationState>;
  /** Every active member's id and, for the sake of large groups, no more. Cached for active conversations. */
  memberIds(conversation: ConversationId): Promise<readonly UserId[]>;
}

/** An answer that is JSON text already: entries are stored as the text that travels. */
export type EncodedJson<Answer> = { readonly json: string; readonly shape?: Answer };

/** A user's own settings of a conversation: read marker and notification mode, for HTTP and for the socket. */
export interface MarkerService {
  /** Moves the read marker, never back, and tells the user's other sessions. Rejects with `seq-beyond-head`. */
  markRead(user: UserId, conversation: ConversationId, seq: Seq): Promise<{ readSeq: Seq; unread: number }>;
  setNotify(user: UserId, conversation: ConversationId, mode: NotifyMode): Promise<void>;
}

export interface ReceiveService {
  /** The answer to one sync, after waiting for news as the request says. Rejects with `draining`, `unavailable`. */
  sync(caller: Caller, request: HttpBody<"sync">, signal: AbortSignal): Promise<EncodedJson<HttpAnswer<"sync">>>;
  /** A page of entries, for the HTTP operation `entries`. Rejects as `accessAsReader`. */
  entries(
    caller: Caller,
    conversation: ConversationId,
    query: HttpQuery<"entries">,
  ): Promise<EncodedJson<HttpAnswer<"entries">>>;
  /** Tells the sessions of a user, on whatever machine, that the marker moved. */
  tellMarked(user: UserId, conversation: ConversationId, readSeq: Seq): Promise<void>;
  /** Ends the sessions that were opened with a token. */
  tellRevoked(user: UserId, token: string): Promise<void>;
}

export type { Notification, Role };
