import type { ConversationId, Notification, Seq, UserId } from "@tidings/protocol";

/** Each user's notifications, numbered 1, 2, 3 … for him. Errors: `unavailable`. */
export interface NotificationStore {
  /**
   * Stores notifications, each once: one for a (user, conversation, seq) that is stored already is left out (G9).
   * Atomic and durable. Answers with those stored now, with their numbers, in the order given.
   */
  put(notifications: readonly NewNotification[]): Promise<readonly StoredNotification[]>;
  /** The user's notifications after number `after`, ascending. */
  list(user: UserId, request: { after: number; limit: number }): Promise<readonly Notification[]>;
  /** The number of each user's newest notification, in the order asked; 0 for none. */
  newest(users: readonly UserId[]): Promise<readonly number[]>;
}

export type NewNotification = {
  readonly user: UserId;
  readonly reason: Notification["reason"];
  readonly conversation: ConversationId;
  readonly seq: Seq;
  readonly sender: UserId;
  readonly atMs: number;
};

export type StoredNotification = { readonly user: UserId; readonly notification: Notification };
