import {
  directUsers,
  type ConversationId,
  type MessageEntry,
  type Notification,
  type NotifyMode,
  type UserId,
} from "@tidings/protocol";

/** What notifies a user who set nothing: every message of a direct conversation, mentions in a group. */
export function defaultNotifyMode(conversation: ConversationId): NotifyMode {
  return directUsers(conversation) === undefined ? "mentions" : "all";
}

export type Notified = { readonly user: UserId; readonly reason: Notification["reason"] };

/**
 * Who is notified of a message (G9): members only, never its sender; who is mentioned, unless he wants nothing; and who wants
 * all. Each user once, with the strongest reason: a mention before a direct message before any message.
 */
export function decideNotifications(
  message: Pick<MessageEntry, "sender" | "mentions">,
  about: { conversation: ConversationId; isMember: (user: UserId) => boolean; modes: ReadonlyMap<UserId, NotifyMode> },
): readonly Notified[] {
  const { conversation, isMember, modes } = about;
  const notified = new Map<UserId, Notification["reason"]>();
  const consider = (user: UserId, reason: Notification["reason"]): void => {
    if (user !== message.sender && !notified.has(user) && isMember(user)) notified.set(user, reason);
  };
  for (const user of message.mentions ?? []) {
    if (modes.get(user) !== "none") consider(user, "mention");
  }
  for (const user of directUsers(conversation) ?? []) {
    if ((modes.get(user) ?? "all") === "all") consider(user, "direct");
  }
  for (const [user, mode] of modes) {
    if (mode === "all") consider(user, "message");
  }
  return [...notified].map(([user, reason]) => ({ user, reason }));
}
