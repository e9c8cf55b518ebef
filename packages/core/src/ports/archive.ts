import type { ConversationId, MessageId, Notification, NotifyMode, Seq, UserId } from "@tidings/protocol";
import type { AccountRecord, TokenRecord } from "./account-store.ts";
import type { Change } from "./change-feed.ts";
import type { GroupRecord, Membership } from "./group-store.ts";
import type { InviteRecord, InviteUse } from "./invite-store.ts";
import type { EncodedEntry, Head } from "./message-store.ts";
import type { Page, PageRequest } from "./page.ts";

/**
 * Everything that an installation holds, piece by piece, in a form that is no engine's: what one engine reads out here, another one can
 * take in. Errors: `unavailable`, as in MessageStore.
 */
export interface Archive {
  /** How much there is, for whoever shows how far he is. */
  totals(): Promise<ArchiveTotals>;

  /**
   * The entries after a place, at most `limit` (1 … 1,000) of them: conversations by id (code unit order), the entries of each by seq. A
   * piece is a dense range of one conversation; one that is cut by the limit goes on in the next answer. None: that was all.
   */
  entries(request: { after?: EntryPlace; limit: number }): Promise<readonly ArchivedPiece[]>;

  /**
   * Records of a kind in the order of their keys (see `archiveKeyOf`): texts by code unit, numbers by value. `after` and `next` are
   * keys as texts.
   */
  records<Kind extends ArchiveKind>(kind: Kind, request: PageRequest): Promise<Page<ArchiveRecords[Kind]>>;
}

/** An installation that nobody serves, as it is copied from. It shows one state, that of the moment at which it was opened. */
export interface ArchiveSource extends Archive {
  /** Which installation this is, and in which state it is now: who asks again learns whether it has changed since it was opened. */
  identity(): Promise<ArchiveIdentity>;

  /** The changes of the feed that a consumer is not done with, in order, at most `limit` of them behind the position `after`. */
  pendingChanges(consumer: string, request: { after: number; limit: number }): Promise<readonly Change[]>;
}

/**
 * An installation that is being copied into. It is served by nobody until it is finished. Every write is atomic, and durable when its
 * promise resolves. A write that contradicts what is there rejects with an ArchiveRefusedError, and nothing of it is stored.
 */
export interface ArchiveTarget extends Archive {
  /**
   * Begins a copy of this source, or goes on with one that was begun: from now on nothing but this source, in this state, can be
   * copied into it. Rejects with an ArchiveRefusedError if it holds anything else, or is served, or was: then nothing is changed.
   * `finished`: this very copy was completed before.
   */
  begin(source: ArchiveIdentity): Promise<"begun" | "resumed" | "finished">;

  /** Where it ends: the last entry, and the last key of each kind that is copied; what is absent has none yet. */
  end(): Promise<ArchiveEnd>;

  /**
   * Stores pieces of conversations, in order, each from the head of its conversation on: another `seq` is refused. With the
   * entries come the names of requests (G2), counts of messages, and heads. Nobody is told of them: the change feed has no change for them.
   */
  putEntries(pieces: readonly ArchivedPiece[]): Promise<void>;

  /** Stores records. One that is there already, with the same content, is left as it is; with another content it is refused. */
  putRecords<Kind extends CopiedKind>(kind: Kind, records: readonly ArchiveRecords[Kind][]): Promise<void>;

  /** The copy is complete: it may be served from now on. Again does nothing. */
  finish(): Promise<void>;
}

export type ArchiveTotals = { readonly conversations: number; readonly entries: number };

export type EntryPlace = { readonly conversation: ConversationId; readonly seq: Seq };

export type ArchivedPiece = { readonly conversation: ConversationId; readonly entries: readonly ArchivedEntry[] };

export type ArchivedEntry = EncodedEntry & {
  readonly atMs: number;
  /** How many of the entries 1 … seq are messages. */
  readonly messages: number;
  /** The name of the request whose first entry this is. */
  readonly key?: { readonly sender: UserId; readonly messageId: MessageId };
};

/** Texts that are equal if and only if what they stand for is, for all practical purposes. */
export type ArchiveIdentity = {
  /** Which installation, in any state. */
  readonly origin: string;
  /** Everything in it that can change. */
  readonly state: string;
};

export type ArchiveEnd = {
  readonly entries?: EntryPlace;
  readonly records: { readonly [Kind in CopiedKind]?: string };
};

/** Kinds of records that are copied, in an order in which none refers to one that comes later. */
export const copiedKinds = [
  "accounts",
  "tokens",
  "markers",
  "invites",
  "inviteUses",
  "directs",
  "notifications",
] as const;
/** What follows from the entries. It is not copied: it is compared. */
export const imageKinds = ["conversations", "groups", "memberships"] as const;

export type CopiedKind = (typeof copiedKinds)[number];
export type ImageKind = (typeof imageKinds)[number];
export type ArchiveKind = CopiedKind | ImageKind;

export type ArchiveRecords = {
  readonly accounts: AccountRecord;
  readonly tokens: TokenRecord;
  readonly markers: ArchivedMarker;
  readonly invites: InviteRecord & { readonly revoked: boolean };
  readonly inviteUses: ArchivedInviteUse;
  /** Memberships of direct conversations: no entry says them. */
  readonly directs: Membership;
  readonly notifications: ArchivedNotification;
  readonly conversations: ArchivedConversation;
  readonly groups: GroupRecord;
  /** Of groups. */
  readonly memberships: Membership;
};

export type ArchivedMarker = {
  readonly conversation: ConversationId;
  readonly user: UserId;
  readonly readSeq: Seq;
  readonly readMessages: number;
  readonly notify?: NotifyMode;
};

export type ArchivedInviteUse = InviteUse & {
  readonly invite: InviteRecord["invite"];
  readonly pending: boolean;
};

export type ArchivedNotification = Notification & { readonly user: UserId };

export type ArchivedConversation = Head & {
  readonly conversation: ConversationId;
  /** How many requests are known by their names. */
  readonly keys: number;
};

/** Why nothing is copied there, in a sentence for the operator. */
export class ArchiveRefusedError extends Error {
  override readonly name = "ArchiveRefusedError";
}
