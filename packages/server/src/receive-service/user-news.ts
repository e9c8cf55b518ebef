import { limits, type Notification } from "@tidings/protocol";
import type { MachineMessage, Stores } from "@tidings/core";
import type { DeliveryTick } from "./delivery-tick.ts";
import { encodeFrame } from "./frames.ts";
import type { Session } from "./session.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";

export type News = Extract<MachineMessage, { tell: "notifications" | "marked" }>;

/**
 * What a user's sessions are told beside entries: notifications and read markers. A session that takes its data too slowly, or
 * was not welcomed yet, gets the newest of them later: by its number the client sees that it lacks earlier
 * notifications, and fetches them; an older position of a marker is worth nothing (G8).
 */
export function createUserNews(parts: { stores: Stores; cache: UserSocketCache; tick: DeliveryTick }) {
  const { stores, cache, tick } = parts;

  function tell(news: News): void {
    const local = cache.user(news.user);
    if (local === undefined) return;
    const frame = encodeNews(news);
    for (const session of local.sessions) {
      if (session.joinedMeanwhile !== undefined || tick.withholds(session)) withhold(session, news);
      else session.write(frame);
    }
    for (const waiter of local.waiters) waiter.wake();
  }

  /** The session was welcomed, or its socket has drained. */
  function tellWithheld(session: Session): void {
    const { withheld } = session;
    session.withheld = undefined;
    for (const news of withheld?.values() ?? []) session.write(encodeNews(news));
  }

  /** The first page of the notifications after a number, for a session that says in its hello what it has. */
  async function tellAfter(session: Session, after: number): Promise<void> {
    const user = session.caller.user.user_id;
    const list = await stores.notifications.list(user, { after, limit: limits.pageMax });
    if (list.length > 0) session.write(encodeFrame({ type: "notify", notifications: [...list] }));
  }

  return { tell, tellWithheld, tellAfter };
}

export type UserNews = ReturnType<typeof createUserNews>;

function withhold(session: Session, news: News): void {
  session.withheld ??= new Map();
  const about = news.tell === "marked" ? news.conversation : "notifications";
  if (session.withheld.size < withheldMax || session.withheld.has(about)) session.withheld.set(about, newestOf(news));
}

function newestOf(news: News): News {
  if (news.tell === "marked") return news;
  const newest: readonly Notification[] = news.notifications.slice(-1);
  return { ...news, notifications: newest };
}

function encodeNews(news: News): Buffer {
  return news.tell === "marked"
    ? encodeFrame({ type: "marked", conversation: news.conversation, read_seq: news.readSeq })
    : encodeFrame({ type: "notify", notifications: [...news.notifications] });
}

/** Markers of all conversations that one may be in, and the notifications. Those of former ones beyond it wait for the next hello. */
const withheldMax = limits.conversationsPerUserMax + 1;
