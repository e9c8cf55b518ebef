import { asSeq, type ConversationId, type ConversationState, TidingsError, type UserId } from "@tidings/protocol";
import type { AccessService, Base } from "../services.ts";
import { encodeFrame } from "./frames.ts";
import type { Session } from "./session.ts";
import type { SyncSession } from "./session-sync.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";

/**
 * Brings a conversation that its user came into to a session that does not follow it yet. What a lossy push or a store that did
 * not answer left out is found by comparing sessions with memberships on the slow clock (G5).
 */
export function createBringing(
  base: Base,
  parts: {
    access: AccessService;
    cache: UserSocketCache;
    syncSession: SyncSession;
    /** Asks for the user to be checked in the next round. */
    checkSoon: (user: UserId) => void;
  },
) {
  const { stores, log } = base;
  const { access, cache, syncSession, checkSoon } = parts;

  /** To the user's sessions and polls here. */
  function bring(user: UserId, id: ConversationId): void {
    const local = cache.user(user);
    if (local === undefined) return;
    for (const waiter of local.waiters) waiter.wake();
    for (const session of local.sessions) {
      if (session.joinedMeanwhile !== undefined) session.joinedMeanwhile.add(id);
      else if (session.subscription(id) === undefined) attach(session, id);
    }
  }

  /** What was known of the user's right to the conversation is old: it is read when it is asked for, and soon for his sessions. */
  function forget(user: UserId, id: ConversationId): void {
    access.forget(id, user);
    if ((cache.user(user)?.sessions.length ?? 0) > 0) checkSoon(user);
  }

  function attach(session: Session, id: ConversationId): void {
    attachNow(session, id).catch((error: unknown) => {
      // He left again meanwhile.
      if (error instanceof TidingsError && !error.entry.retryable) return;
      log.info(
        { err: error, conversation: id },
        "A conversation could not be brought to a session; it is tried again.",
      );
      if (session.closed) return;
      // Where it follows the conversation by now, the sync has told it the head, and the client asks.
      if (session.subscription(id) === undefined) checkSoon(session.caller.user.user_id);
    });
  }

  async function attachNow(session: Session, id: ConversationId): Promise<void> {
    const user = session.caller.user.user_id;
    let state: ConversationState;
    let endings: number;
    // Rejects if the user is no member, also if that came while the state was being read (G7).
    do {
      endings = access.endingsOf(user);
      state = await access.state(user, id);
    } while (access.endingsOf(user) !== endings || !cache.hasSeenSince(id, state.head));
    if (session.closed || session.subscription(id) !== undefined) return;
    session.write(encodeFrame({ type: "joined", state }));
    cache.subscribe(session, {
      conversation: cache.conversationAt(id, state.head),
      sentSeq: asSeq(state.joined_seq - 1),
      said: false,
    });
    await syncSession(session, { [id]: state.joined_seq - 1 });
  }

  /** Compares what the users' sessions follow with their memberships, and brings what is missing. At most 1,000 users. */
  async function checkUsers(users: readonly UserId[]): Promise<void> {
    const here = users.filter((user) => sessionsOf(user).length > 0);
    if (here.length === 0) return;
    const counts = await access.conversationCounts(here);
    const different = here.filter((user, index) =>
      sessionsOf(user).some((session) => session.subscriptions.length !== counts[index]),
    );
    const failures: unknown[] = [];
    for (let begin = 0; begin < different.length; begin += togetherMax) {
      const looks = await Promise.allSettled(different.slice(begin, begin + togetherMax).map(bringMissing));
      for (const look of looks) if (look.status === "rejected") failures.push(look.reason);
    }
    // Thrown last: a user whose look fails must not stop those behind him.
    if (failures.length > 0) throw failures[0];
  }

  async function bringMissing(user: UserId): Promise<void> {
    const ids = await access.conversationIds(user);
    const missing = new Set(sessionsOf(user).flatMap((session) => missingIn(session, ids)));
    if (missing.size === 0) return;
    // A direct conversation that was opened and has no message yet is nobody's business.
    const heads = await stores.messages.heads([...missing]);
    for (const id of heads.keys()) bring(user, id);
  }

  const sessionsOf = (user: UserId): readonly Session[] => (cache.user(user)?.sessions ?? []).filter(isWelcomed);

  return { bring, forget, attach, checkUsers };
}

export type Bringing = ReturnType<typeof createBringing>;

/** In a fleet each look may be a request to a database: one after another they would not all come round in a heartbeat. */
const togetherMax = 50;

const isWelcomed = (session: Session): boolean => !session.closed && session.joinedMeanwhile === undefined;

/** As many as there should be are the right ones: one too many is cut off when its end arrives, and then one is missing. */
function missingIn(session: Session, ids: readonly ConversationId[]): readonly ConversationId[] {
  if (session.subscriptions.length === ids.length) return [];
  const followed = new Set(session.subscriptions.map(({ conversation }) => conversation.id));
  return ids.filter((id) => !followed.has(id));
}
