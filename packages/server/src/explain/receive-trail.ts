import type { Clock } from "@tidings/core";
import type { ConversationId, Seq, SessionId, UserId } from "@tidings/protocol";
import type { Subscription } from "../receive-service/local-conversation.ts";
import { Ring } from "./ring.ts";

export type TrailRange = {
  readonly conversation: ConversationId;
  readonly fromSeq: Seq;
  readonly toSeq: Seq;
  /** Wall time, for people. */
  readonly atMs: number;
};

/** How entries came to a machine: sent by a worker, read from the store, or jumped over because they were too many. */
export type ArrivalWay = "pushed" | "read" | "skipped";
export type Arrived = TrailRange & { readonly way: ArrivalWay };

/** A tick's one write of a range: to how many sockets, and how many were too slow for it. */
export type Written = TrailRange & { readonly sockets: number; readonly withheld: number };

/** What a user was given because he asked: by a sync of a session, a poll, or a page of history. */
export type FetchWay = "sync" | "poll" | "page";
export type Fetched = TrailRange & { readonly user: UserId; readonly way: FetchWay };

/** How far a session had come with a conversation when it closed, or was cut off from it. */
export type EndedFollowing = {
  readonly user: UserId;
  readonly session: SessionId;
  readonly conversation: ConversationId;
  readonly sentSeq: Seq;
  readonly beganSeq: Seq;
  readonly said: boolean;
  readonly end: "closed" | "cut-off";
  readonly atMs: number;
};

/**
 * What a Receive Service remembers for whoever asks later: ids and positions, never a text. What live sessions have is not
 * here, because they know it themselves; so a range costs one small object, however many sockets it goes to.
 */
export class ReceiveTrail {
  readonly #clock: Clock;
  readonly arrived = new Ring<Arrived>(rangesMax);
  readonly written = new Ring<Written>(rangesMax);
  readonly fetched = new Ring<Fetched>(rangesMax);
  readonly ended = new Ring<EndedFollowing>(endedMax);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  noteArrived(range: Omit<Arrived, "atMs">): void {
    this.arrived.push({ ...range, atMs: this.#clock.nowMs() });
  }

  noteWritten(range: Omit<Written, "atMs">): void {
    this.written.push({ ...range, atMs: this.#clock.nowMs() });
  }

  noteFetched(range: Omit<Fetched, "atMs">): void {
    this.fetched.push({ ...range, atMs: this.#clock.nowMs() });
  }

  noteEnded({ session, conversation, sentSeq, beganSeq, said }: Subscription, end: EndedFollowing["end"]): void {
    const user = session.caller.user.user_id;
    const atMs = this.#clock.nowMs();
    this.ended.push({ user, session: session.id, conversation: conversation.id, sentSeq, beganSeq, said, end, atMs });
  }
}

export const holdsSeq = (range: TrailRange, conversation: ConversationId, seq: Seq): boolean =>
  range.toSeq >= seq && range.fromSeq <= seq && range.conversation === conversation;

/** Some 100 bytes each: a few megabytes, and minutes of a busy machine. */
const rangesMax = 10_000;
const endedMax = 20_000;
