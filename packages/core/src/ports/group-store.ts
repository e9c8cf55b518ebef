import type { ConversationId, History, NotifyMode, Role, Seq, UserId, Visibility } from "@tidings/protocol";
import type { Page, PageRequest } from "./page.ts";

/**
 * The Group DB: `{group_id, user_ids}`, roles and settings, and the direct conversations of each user. Read-heavy.
 *
 * It is an image of the entries that are not messages: `apply` folds them in, in order, and may be repeated, so
 * whatever crashes between the append of an entry and its application is mended by applying it again.
 *
 * Errors: `unavailable`, as in MessageStore. A read sees at least what was applied before the call.
 */
export interface GroupStore {
  /**
   * Folds the changes of one conversation's entries into it. Atomic for each call; durable like an append. A change
   * whose seq is not above the conversation's applied seq does nothing. Changes come in ascending order of seq.
   */
  apply(conversation: ConversationId, changes: readonly MembershipChange[]): Promise<void>;

  /** A group; undefined if there is none. A closed group is still found, with `closed`. */
  group(conversation: ConversationId): Promise<GroupRecord | undefined>;

  /** The user's membership, also an ended one or a ban; undefined if he never had any. */
  membership(conversation: ConversationId, user: UserId): Promise<Membership | undefined>;

  /** Memberships of one state, by user id (code unit order); `after` is a user id. */
  members(
    conversation: ConversationId,
    request: PageRequest & { state: "active" | "banned" },
  ): Promise<Page<Membership>>;

  /**
   * Who becomes owner when `leaving` goes: of the other active members the one with the highest role, among those the one
   * who joined first; undefined if there is none.
   */
  successor(conversation: ConversationId, leaving: UserId): Promise<Membership | undefined>;

  /** Public groups that are not closed, by lower-case name, then id; `search` is found in the lower-case name. */
  searchPublic(request: PageRequest & { search?: string }): Promise<Page<GroupRecord>>;

  /** Notes the direct conversation for its two users, with membership from seq 1; again does nothing. Durable. */
  ensureDirect(conversation: ConversationId): Promise<void>;
}

/** The Group DB from its users' side. It is filled by `GroupStore`; errors and freshness are the same. */
export interface MembershipIndex {
  /**
   * The user's memberships and the groups they belong to, by conversation id; with `ended`, the ended ones (banned
   * ones included) instead of the active ones. At most 1,000 active ones exist; the answer holds all of them.
   */
  conversationsOf(user: UserId, options?: { ended?: readonly ConversationId[] }): Promise<readonly UserConversation[]>;

  /** How many active memberships each user has, in the order asked. At most 1,000 users at a time. */
  conversationCounts(users: readonly UserId[]): Promise<readonly number[]>;
}

export type GroupRecord = {
  readonly conversation: ConversationId;
  readonly name: string;
  readonly description: string;
  readonly visibility: Visibility;
  readonly history: History;
  readonly closed: boolean;
  readonly memberCount: number;
  readonly ownerCount: number;
  /** The seq of the last change folded in. */
  readonly appliedSeq: Seq;
};

export type Membership = {
  readonly conversation: ConversationId;
  readonly user: UserId;
  readonly role: Role;
  readonly state: "active" | "left" | "removed" | "banned";
  /** The `member-joined` entry with which he last joined; 1 in a direct conversation; 0 if he was banned and never in. */
  readonly joinedSeq: Seq;
  /**
   * The entry that ended the membership: the last one that he may read. Absent while it is active; 0 if he was
   * banned and never in.
   */
  readonly endedSeq?: Seq;
};

export type UserConversation = {
  readonly membership: Membership;
  /** Absent for a direct conversation. */
  readonly group?: GroupRecord;
};

/** An entry that is not a message, as far as the Group DB is concerned. `seq` is the entry's. */
export type MembershipChange =
  | { readonly change: "joined"; readonly seq: Seq; readonly user: UserId; readonly role: Role }
  | { readonly change: "left"; readonly seq: Seq; readonly user: UserId }
  | { readonly change: "removed"; readonly seq: Seq; readonly user: UserId; readonly banned: boolean }
  | {
      readonly change: "settings";
      readonly seq: Seq;
      readonly name?: string;
      readonly description?: string;
      readonly visibility?: Visibility;
      readonly history?: History;
      readonly roles?: Readonly<Record<string, Role>>;
      readonly unbanned?: UserId;
      readonly closed?: true;
    };

/** Where a user's own settings of a conversation live: read marker and notification mode. */
export interface MarkerStore {
  /** The markers of one user, in the order asked; one never set is `{ readSeq: 0, readMessages: 0, notify: undefined }`. */
  markers(user: UserId, conversations: readonly ConversationId[]): Promise<readonly Marker[]>;
  /** Moves the read marker; never back (an older one changes nothing). Answers with the marker as it then is. Durable. */
  setRead(user: UserId, conversation: ConversationId, read: { seq: Seq; messages: number }): Promise<Marker>;
  /** Sets what notifies the user in this conversation. Durable. */
  setNotify(user: UserId, conversation: ConversationId, mode: NotifyMode): Promise<void>;
  /** The modes that users set in one conversation: members, and whoever was one when he set it. */
  notifyModes(conversation: ConversationId): Promise<ReadonlyMap<UserId, NotifyMode>>;
}

export type Marker = {
  readonly readSeq: Seq;
  /** How many of the entries 1 … readSeq are messages. */
  readonly readMessages: number;
  readonly notify: NotifyMode | undefined;
};
