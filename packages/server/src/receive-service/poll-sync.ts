import {
  asConversationId,
  asSeq,
  limits,
  type ConversationId,
  type ConversationState,
  type HttpAnswer,
  type HttpBody,
  type Notification,
  type Seq,
  type SyncedConversation,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import type { EncodedEntry, Head } from "@tidings/core";
import type { ReceiveTrail } from "../explain/receive-trail.ts";
import type { Access, AccessService, Base, Caller } from "../services.ts";
import { newSyncBudget, readCharactersMax, readWithinBudget, type SyncBudget } from "./range-reader.ts";
import { AnswerPace } from "./answer-pace.ts";
import type { ConnectionRows } from "./connection-rows.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";
import type { Waiter } from "./waiter.ts";

type SyncRequest = HttpBody<"sync">;
type SyncAnswer = HttpAnswer<"sync">;

/**
 * `POST /v1/sync`: short polling, and with `wait_ms` long polling. A long poll registers before it reads (design, 4.7), so
 * that nothing falls between its look at the store and its wait.
 */
export function createPollSync(
  base: Base,
  parts: {
    access: AccessService;
    cache: UserSocketCache;
    rows: ConnectionRows;
    trail: ReceiveTrail;
    pollAfterMs: number;
    pollAnswersPerSecond: number;
    draining: AbortSignal;
  },
) {
  const { stores, clock } = base;
  const { access, cache, rows, trail, draining } = parts;
  const pace = new AnswerPace({ clock, perSecond: parts.pollAnswersPerSecond });
  /** How many long polls wait, for the metrics. */
  const waiting = { count: 0 };

  async function sync(caller: Caller, request: SyncRequest, signal: AbortSignal): Promise<string> {
    if (draining.aborted) throw new TidingsError("draining", { retryAfterMs: 1_000 });
    const user = caller.user.user_id;
    const waitMs = request.wait_ms ?? 0;
    const first = await look(user, request);
    if (waitMs === 0 || first.news || waiting.count >= waitingPollsMax) return answer(user, first);
    return await longPoll(user, request, { untilMs: clock.monotonicMs() + waitMs, signal, follows: first.follows });
  }

  async function longPoll(
    user: UserId,
    request: SyncRequest,
    wait: { untilMs: number; signal: AbortSignal; follows: readonly (readonly [ConversationId, Seq])[] },
  ): Promise<string> {
    const ids = wait.follows.map(([id]) => id);
    const stop = AbortSignal.any([wait.signal, draining]);
    const news = new Bell();
    const waiter: Waiter = { user, wake: () => news.ring() };
    const row = rows.retain(user);
    // What came since the heads were read is found by the look that follows.
    cache.addWaiter(waiter, wait.follows);
    waiting.count += 1;
    try {
      await row.registered;
      for (;;) {
        news.reset();
        const seen = await look(user, request);
        const leftMs = wait.untilMs - clock.monotonicMs();
        if (seen.news || leftMs <= 0 || stop.aborted) return answer(user, seen);
        await news.wait(clock, leftMs, stop);
        await pace.turn(Math.max(0, wait.untilMs - clock.monotonicMs()), stop);
      }
    } finally {
      waiting.count -= 1;
      cache.removeWaiter(waiter, ids);
      rows.release(row);
    }
  }

  function answer(user: UserId, seen: Look): string {
    for (const { head, entries } of seen.conversations) {
      const [first, last] = [entries[0], entries.at(-1)];
      if (first === undefined || last === undefined) continue;
      const range = { conversation: head.conversation, fromSeq: first.seq, toSeq: last.seq };
      trail.noteFetched({ user, ...range, way: "poll" });
    }
    return seen.text();
  }

  /** One look at everything: the answer as it would be now. */
  async function look(user: UserId, request: SyncRequest): Promise<Look> {
    const named = Object.keys(request.have).map(asConversationId);
    const [memberOf, heads, [notified = 0]] = await Promise.all([
      access.conversationIds(user),
      stores.messages.heads(named),
      stores.notifications.newest([user]),
    ]);
    // After the heads, so that no head is above a removal that the right does not know of yet (G7).
    const rights = await access.accessAll(user, named);
    const budget = newSyncBudget();
    const conversations: EncodedConversation[] = [];
    const follows: (readonly [ConversationId, Seq])[] = [];
    for (const id of named) {
      const right = rights.get(id);
      if (right === undefined) continue;
      if (right.lastSeq === undefined) follows.push([id, heads.get(id)?.head ?? asSeq(0)]);
      const found = await readNews({ right, head: heads.get(id), have: request.have[id] ?? asSeq(0), budget });
      if (found !== undefined) conversations.push(found);
    }
    if (memberOf.some((id) => !(id in request.have))) {
      for (const state of await access.states(user)) {
        if (!(state.conversation in request.have)) conversations.push({ head: newConversation(state), entries: [] });
      }
    }
    const notifications: Notification[] =
      request.notified !== undefined && request.notified < notified
        ? [...(await stores.notifications.list(user, { after: request.notified, limit: limits.pageMax }))]
        : [];
    return {
      follows,
      conversations,
      news: conversations.length > 0 || notifications.length > 0,
      text: () => encodeAnswer({ conversations, notified, notifications, poll_after_ms: parts.pollAfterMs }),
    };
  }

  async function readNews(from: {
    right: Access;
    head: Head | undefined;
    have: number;
    budget: SyncBudget;
  }): Promise<EncodedConversation | undefined> {
    const { conversation, firstSeq, lastSeq } = from.right;
    const head = lastSeq ?? from.head?.head ?? asSeq(0);
    const cursor = asSeq(Math.max(firstSeq - 1, Math.min(from.have, head)));
    if (cursor >= head && lastSeq === undefined) return undefined;
    const entries = await readWithinBudget(
      stores.messages,
      { conversation, fromSeq: asSeq(cursor + 1), toSeq: head, charactersMax: readCharactersMax },
      from.budget,
    );
    const reached = entries.at(-1)?.seq ?? cursor;
    const done = lastSeq === undefined ? "complete" : "ended";
    return {
      head: {
        conversation,
        status: reached >= head ? done : "truncated",
        head,
        first_seq: firstSeq,
        ...(entries[0] === undefined ? {} : { from_seq: entries[0].seq }),
        ...(lastSeq === undefined ? {} : { last_seq: lastSeq }),
      },
      entries,
    };
  }

  return { sync, waiting };
}

export type PollSync = ReturnType<typeof createPollSync>;

/** Over this many waiting polls a machine answers them like short ones (G8). */
const waitingPollsMax = 50_000;

type Look = {
  readonly news: boolean;
  readonly conversations: readonly EncodedConversation[];
  /** The conversations to wait for, with their heads. */
  readonly follows: readonly (readonly [ConversationId, Seq])[];
  text(): string;
};
type ConversationHead = Omit<SyncedConversation, "entries">;
type EncodedConversation = { readonly head: ConversationHead; readonly entries: readonly EncodedEntry[] };

function newConversation(state: ConversationState): ConversationHead {
  const { conversation, head, first_seq } = state;
  return { conversation, status: "new", head, first_seq, state };
}

/** Entries are stored as the text that travels; only what is around them is encoded. */
function encodeAnswer(
  answer: Omit<SyncAnswer, "status" | "conversations"> & { conversations: EncodedConversation[] },
): string {
  const truncated = answer.conversations.some(({ head }) => head.status === "truncated");
  const { conversations, ...rest } = answer;
  const encoded = conversations.map(
    ({ head, entries }) =>
      `${JSON.stringify(head).slice(0, -1)},"entries":[${entries.map(({ json }) => json).join(",")}]}`,
  );
  const around = JSON.stringify({ status: truncated ? "truncated" : "complete", ...rest });
  return `${around.slice(0, -1)},"conversations":[${encoded.join(",")}]}`;
}

/** Rung by news, waited for by one long poll; a ring before the wait counts. */
class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  reset(): void {
    this.#rung = false;
  }

  async wait(clock: Base["clock"], ms: number, signal: AbortSignal): Promise<void> {
    if (this.#rung) return;
    const over = new AbortController();
    this.#wake = () => over.abort();
    await clock.sleep(ms, AbortSignal.any([over.signal, signal]));
    this.#wake = undefined;
  }
}
