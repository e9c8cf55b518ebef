import type { ConversationId, InviteId, Seq, UserId } from "@tidings/protocol";

/** Invitations to groups (decision 14). Errors: `unavailable`. Every write is durable when its promise resolves. */
export interface InviteStore {
  /**
   * Stores a new invitation; false, and nothing stored, if the group has `liveMax` live ones already. Live is what opens for
   * somebody: neither expired nor revoked, and not used up, or with a use that is still pending.
   */
  create(invite: InviteRecord, options: { liveMax: number; nowMs: number }): Promise<boolean>;
  /**
   * Takes one use, atomically: never more than `usesMax` in all. The same use again takes nothing while it is pending.
   * Undefined, and nothing changed, if there is no such code, it is expired, revoked or used up, or this use has led to a
   * membership already.
   */
  use(codeHash: string, use: InviteUse, nowMs: number): Promise<InviteRecord | undefined>;
  /** The use has led to a membership: it is pending no more, and opens nothing again. Again does nothing. */
  settle(invite: InviteId, use: InviteUse): Promise<void>;
  /** Gives back a pending use that led to nothing. Again, or when it is not pending, does nothing. */
  giveBack(invite: InviteId, use: InviteUse): Promise<void>;
  /** The live invitations of a group, oldest first. */
  list(conversation: ConversationId, nowMs: number): Promise<readonly InviteRecord[]>;
  /** Ends an invitation; false if the group has no live one of this id. */
  revoke(conversation: ConversationId, invite: InviteId, nowMs: number): Promise<boolean>;
}

/** A user's coming in once. */
export type InviteUse = {
  readonly user: UserId;
  /** Where his last membership began, 0 if he had none: who was in meanwhile comes in another time. */
  readonly joinedSeq: Seq;
};

export type InviteRecord = {
  readonly invite: InviteId;
  /** SHA-256 of the code, hex: the code itself is not stored. */
  readonly codeHash: string;
  readonly conversation: ConversationId;
  readonly createdBy: UserId;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
  readonly usesMax?: number;
  readonly uses: number;
};
