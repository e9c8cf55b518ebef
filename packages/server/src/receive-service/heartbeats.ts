import type { Clock } from "@tidings/core";
import type { Seq } from "@tidings/protocol";
import { encodeFrame, pingFrame, textFrame } from "./frames.ts";
import type { Session } from "./session.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";

/**
 * Every session hears the heads of its conversations that moved, once in `heartbeatMs` (G5), with a ping; one that did
 * not answer the ping before is ended, and so is one whose token has expired. Sessions beat at their own times, counted
 * from their hello.
 */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #cache: UserSocketCache;
  readonly #heartbeatMs: number;
  #cancel: (() => void) | undefined;

  constructor(options: { clock: Clock; cache: UserSocketCache; heartbeatMs: number }) {
    this.#clock = options.clock;
    this.#cache = options.cache;
    this.#heartbeatMs = options.heartbeatMs;
  }

  start(): void {
    this.#cancel = this.#clock.after(Math.min(roundMsMax, this.#heartbeatMs / 4), () => {
      this.#round();
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #round(): void {
    const nowMs = this.#clock.monotonicMs();
    const todayMs = this.#clock.nowMs();
    for (const session of this.#cache.sessions()) {
      if ((session.caller.expiresAtMs ?? Infinity) <= todayMs) {
        session.end("token-expired");
        continue;
      }
      if (nowMs - session.lastBeatMs >= this.#heartbeatMs) this.#beat(session, nowMs);
    }
  }

  #beat(session: Session, nowMs: number): void {
    if (session.awaitsPong) {
      session.end("heartbeat-missed");
      return;
    }
    session.awaitsPong = true;
    session.write(headsSince(session, session.lastBeatMs));
    session.write(pingFrame);
    session.lastBeatMs = nowMs;
  }
}

const roundMsMax = 1_000;
const noHeads = textFrame('{"type":"heads","heads":{}}');

/** What moved since, and whatever the session is known to lack: what the next tick writes to it is no reason to sync. */
function headsSince(session: Session, sinceMs: number): Buffer {
  const heads: Record<string, Seq> = {};
  let some = false;
  for (const { conversation, sentSeq } of session.subscriptions) {
    const { movedAtMs, arrivedSeq, writtenSeq } = conversation;
    if (movedAtMs < sinceMs && sentSeq >= arrivedSeq) continue;
    heads[conversation.id] = sentSeq === writtenSeq ? writtenSeq : arrivedSeq;
    some = true;
  }
  return some ? encodeFrame({ type: "heads", heads }) : noHeads;
}
