import type { Clock } from "@tidings/core";
import type { ConversationId } from "@tidings/protocol";
import type { Session } from "../receive-service/session.ts";
import type { UserSocketCache } from "../receive-service/user-socket-cache.ts";
import type { Question, ReceiveLook, SessionLook } from "./machine-look.ts";
import { type EndedFollowing, holdsSeq, type ReceiveTrail } from "./receive-trail.ts";

/** Live state first: what a session was given is asked of the session itself; the trail has what live state forgets. */
export function lookAtReceive(
  parts: { cache: UserSocketCache; trail: ReceiveTrail; clock: Clock },
  { user, conversation, seq }: NonNullable<Question["about"]>,
): ReceiveLook {
  const { cache, trail, clock } = parts;
  const local = cache.user(user);
  const followed = cache.conversations.get(conversation);
  const arrived = trail.arrived.findNewest((range) => holdsSeq(range, conversation, seq));
  const written = trail.written.findNewest((range) => holdsSeq(range, conversation, seq));
  const fetched = trail.fetched.findNewest((range) => range.user === user && holdsSeq(range, conversation, seq));
  const wallMs = clock.nowMs() - clock.monotonicMs();
  const ended: EndedFollowing[] = [];
  for (const one of trail.ended.newestFirst()) {
    if (one.user === user && one.conversation === conversation) ended.push(one);
    if (ended.length === endedToldMax) break;
  }
  return {
    ...(followed !== undefined && {
      conversation: {
        arrivedSeq: followed.arrivedSeq,
        writtenSeq: followed.writtenSeq,
        repairing: followed.repairing,
      },
    }),
    sessions: (local?.sessions ?? []).map((session) => lookAtSession(session, conversation, wallMs)),
    waitingPolls: local?.waiters.size ?? 0,
    ...(arrived !== undefined && { arrived }),
    ...(written !== undefined && { written }),
    ended,
    ...(fetched !== undefined && { fetched }),
  };
}

function lookAtSession(session: Session, conversation: ConversationId, wallMs: number): SessionLook {
  const subscription = session.subscription(conversation);
  return {
    session: session.id,
    openedAtMs: Math.round(wallMs + session.openedAtMs),
    ...(subscription !== undefined && {
      follows: { sentSeq: subscription.sentSeq, beganSeq: subscription.beganSeq, said: subscription.said },
    }),
    backlogged: session.backlogged,
    unsentBytes: session.unsentBytes,
  };
}

/** A client that reconnects all the time fills no page. */
const endedToldMax = 20;
