import type { ConversationId, Seq, UserId } from "@tidings/protocol";
import type { ReceiveTrail } from "../explain/receive-trail.ts";
import { LocalConversation, type Subscription } from "./local-conversation.ts";
import type { Session } from "./session.ts";
import type { Waiter } from "./waiter.ts";

/**
 * The User Socket Cache: user → his open sessions and waiting polls here, conversation → who follows it here. It is the
 * state that makes the Receive Service the one stateful service; all of it can be lost and is rebuilt by reconnects.
 */
export class UserSocketCache {
  readonly #users = new Map<UserId, LocalUser>();
  readonly #conversations = new Map<ConversationId, LocalConversation>();
  readonly #trail: ReceiveTrail | undefined;
  #sessionCount = 0;

  constructor(trail?: ReceiveTrail) {
    this.#trail = trail;
  }

  get sessionCount(): number {
    return this.#sessionCount;
  }

  get conversations(): ReadonlyMap<ConversationId, LocalConversation> {
    return this.#conversations;
  }

  user(user: UserId): LocalUser | undefined {
    return this.#users.get(user);
  }

  addSession(session: Session): void {
    const user = this.#localUser(session.caller.user.user_id);
    // Not `push`, which makes room for many.
    user.sessions = [...user.sessions, session];
    this.#sessionCount += 1;
  }

  /** Takes a session and all that it follows out. */
  removeSession(session: Session): void {
    const id = session.caller.user.user_id;
    const user = this.#users.get(id);
    const index = user?.sessions.indexOf(session) ?? -1;
    if (user === undefined || index === -1) return;
    // A new list: somebody may be walking through the old one.
    user.sessions = user.sessions.toSpliced(index, 1);
    this.#sessionCount -= 1;
    for (const subscription of session.subscriptions) {
      this.#trail?.noteEnded(subscription, "closed");
      this.#dropFrom(subscription);
    }
    session.subscriptions.length = 0;
    this.#forgetIfGone(id, user);
  }

  addWaiter(waiter: Waiter, conversations: Iterable<readonly [ConversationId, Seq]>): void {
    const user = this.#localUser(waiter.user);
    if (user.waiters === noWaiters) user.waiters = new Set();
    user.waiters.add(waiter);
    for (const [conversation, head] of conversations) this.conversationAt(conversation, head).waiters.add(waiter);
  }

  removeWaiter(waiter: Waiter, conversations: Iterable<ConversationId>): void {
    const user = this.#users.get(waiter.user);
    user?.waiters.delete(waiter);
    for (const id of conversations) {
      const conversation = this.#conversations.get(id);
      conversation?.waiters.delete(waiter);
      if (conversation?.idle) this.#conversations.delete(id);
    }
    if (user !== undefined) this.#forgetIfGone(waiter.user, user);
  }

  /** The conversation as followed here; one that nobody followed begins with the head that the caller read. */
  conversationAt(id: ConversationId, head: Seq): LocalConversation {
    let conversation = this.#conversations.get(id);
    if (conversation === undefined) {
      conversation = new LocalConversation(id, head);
      this.#conversations.set(id, conversation);
    } else if (head > conversation.knownHead) {
      conversation.knownHead = head;
    }
    return conversation;
  }

  /**
   * Has this machine seen whatever came in the conversation since a right was compared with the entries up to `checkedSeq`? If it
   * has, an ending of the membership meanwhile is counted (`AccessService.endingsOf`); if not, the right is read again (G7).
   */
  hasSeenSince(id: ConversationId, checkedSeq: Seq): boolean {
    return (this.#conversations.get(id)?.seenFromSeq ?? 0) <= checkedSeq;
  }

  /** `said`: the client holds what is up to `sentSeq` by its own word. */
  subscribe(session: Session, options: { conversation: LocalConversation; sentSeq: Seq; said: boolean }): Subscription {
    const { conversation, sentSeq, said } = options;
    const subscription: Subscription = { session, conversation, sentSeq, beganSeq: sentSeq, said, index: 0 };
    conversation.add(subscription);
    session.subscriptions.push(subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    const { subscriptions } = subscription.session;
    const index = subscriptions.indexOf(subscription);
    if (index === -1) return;
    subscriptions.splice(index, 1);
    this.#trail?.noteEnded(subscription, "cut-off");
    this.#dropFrom(subscription);
  }

  users(): IterableIterator<UserId> {
    return this.#users.keys();
  }

  *sessions(): IterableIterator<Session> {
    for (const user of this.#users.values()) yield* user.sessions;
  }

  #dropFrom(subscription: Subscription): void {
    const { conversation } = subscription;
    conversation.remove(subscription);
    if (conversation.idle) this.#conversations.delete(conversation.id);
  }

  #localUser(id: UserId): LocalUser {
    let user = this.#users.get(id);
    if (user === undefined) {
      user = { sessions: [], waiters: noWaiters };
      this.#users.set(id, user);
    }
    return user;
  }

  #forgetIfGone(id: UserId, user: LocalUser): void {
    if (user.sessions.length === 0 && user.waiters.size === 0) this.#users.delete(id);
  }
}

/** Most users have one session and no poll: lists that hold little take little. */
export type LocalUser = { sessions: Session[]; waiters: Set<Waiter> };

const noWaiters: Set<Waiter> = new Set();
