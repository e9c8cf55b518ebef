import type { ConversationId, InviteId, UserId } from "@tidings/protocol";

/** Invitations to groups. Errors: `unavailable`. Every write is durable when its promise resolves. */
export interface InviteStore {
  /** Stores a new invitation; false, and nothing stored, if the group has `liveMax` live ones already. */
  create(invite: InviteRecord, options: { liveMax: number; nowMs: number }): Promise<boolean>;
  /**
   * Takes one use for the user, atomically: never more than `usesMax` users in all. A user who used it before uses
   * nothing up, and may while it is neither expired nor revoked. Undefined, and nothing changed, if there is no
   * such code or it is expired, revoked or used up.
   */
  use(codeHash: string, user: UserId, nowMs: number): Promise<InviteRecord | undefined>;
  /** Gives back the use of a user who could not join after all. Again does nothing. */
  giveBack(invite: InviteId, user: UserId): Promise<void>;
  /** The live invitations of a group, oldest first. */
  list(conversation: ConversationId, nowMs: number): Promise<readonly InviteRecord[]>;
  /** Ends an invitation; false if the group has no live one of this id. */
  revoke(conversation: ConversationId, invite: InviteId, nowMs: number): Promise<boolean>;
}

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
