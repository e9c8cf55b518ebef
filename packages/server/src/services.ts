import type {
  ConversationId,
  ConversationState,
  HttpAnswer,
  HttpBody,
  MessageId,
  Notification,
  Role,
  Seq,
  User,
  UserId,
} from "@tidings/protocol";
import type { Clock, GroupRecord, Membership, Random, Stores } from "@tidings/core";
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
}

export type Target = { readonly conversation: ConversationId } | { readonly to: UserId };
export type MessageInput = HttpBody<"sendMessage">;
export type TakenMessage = {
  readonly conversation: ConversationId;
  readonly messageId: MessageId;
  readonly seq: Seq;
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
  /** For many at once; a conversation that the user may not know of is absent. */
  accessAll(user: UserId, conversations: readonly ConversationId[]): Promise<ReadonlyMap<ConversationId, Access>>;
  /** Forgets what is cached of a conversation; the Group Worker and the Group Service call it when entries change it. */
  forget(conversation: ConversationId, user?: UserId): void;
  /** The conversations that the user is an active member of, in no order. Cached; exact on one machine. */
  conversationIds(user: UserId): Promise<readonly ConversationId[]>;
  /** The states of all conversations that the user is an active member of and that have an entry. */
  states(user: UserId): Promise<readonly ConversationState[]>;
  state(user: UserId, conversation: ConversationId): Promise<ConversationState>;
  /** Every active member's id and, for the sake of large groups, no more. Cached for active conversations. */
  memberIds(conversation: ConversationId): Promise<readonly UserId[]>;
}

export interface ReceiveService {
  sync(caller: Caller, request: HttpBody<"sync">, signal: AbortSignal): Promise<HttpAnswer<"sync">>;
  /** Tells the sessions of a user, on whatever machine, that the marker moved. */
  tellMarked(user: UserId, conversation: ConversationId, readSeq: Seq): Promise<void>;
  /** Ends the sessions that were opened with a token. */
  tellRevoked(user: UserId, token: string): Promise<void>;
}

export type { Notification, Role };
