import {
  asSessionId,
  asSeq,
  type CatalogueEntry,
  type ConversationState,
  errorCatalogue,
  type ErrorCode,
  type HelloFrame,
  type SendFrame,
  type SyncFrame,
  TidingsError,
} from "@tidings/protocol";
import { decideSocket, type SocketEvent, type SocketState } from "@tidings/core";
import type { Caller } from "../services.ts";
import type { ClientLink, ClientSocket, ClientWebSocket, PendingSockets } from "./client-link.ts";
import { errorFrame, toTidingsError } from "./error-frame.ts";
import { encodeAck, encodeFrame } from "./frames.ts";
import { type About, parseClientFrame, type ParsedFrame } from "./parse-client-frame.ts";
import type { ConnectionRow } from "./connection-rows.ts";
import type { ReceiveParts } from "./receive-parts.ts";
import { Session } from "./session.ts";
import { SyncQueue } from "./sync-queue.ts";
import { targetOf } from "./target-of.ts";
import { TurnGate } from "./turn-gate.ts";

/**
 * One WebSocket, from its first frame to its close. What happens when is decided by the table in core's `socket-state.ts`;
 * here it is carried out.
 */
export class SocketConnection {
  readonly #parts: ReceiveParts;
  readonly #webSocket: ClientWebSocket;
  readonly #socket: ClientSocket;
  readonly #pending: PendingSockets;
  readonly #owner: { closed(connection: SocketConnection): void };
  readonly #turns = new TurnGate();
  readonly #syncs = new SyncQueue();
  #state: SocketState = "awaiting-hello";
  #session: Session | undefined;
  #row: ConnectionRow | undefined;
  #queued: ParsedFrame[] = [];
  #sendsUnderWay = 0;
  #badFrames = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(parts: ReceiveParts, from: ClientLink, owner: { closed(connection: SocketConnection): void }) {
    this.#parts = parts;
    this.#webSocket = from.webSocket;
    this.#socket = from.socket;
    this.#pending = from.pending;
    this.#owner = owner;
    this.#cancelTimer = parts.base.clock.after(parts.settings.helloTimeoutMs, () => this.#event("hello-timeout"));
  }

  /** A whole frame came. */
  handleFrame(data: Buffer, isBinary: boolean): void {
    if (this.#state === "ended") return;
    // Who asks and does not read the answers is not listened to until he has read them (G8).
    if (this.#session?.isOver(this.#parts.settings.slowSessionBytes)) this.#webSocket.pause();
    const parsed = parseClientFrame(data, isBinary, this.#parts.base.log);
    if ("error" in parsed) this.#event("bad-frame", parsed);
    else this.#event(parsed.frame.type === "hello" ? "hello" : "frame", parsed);
  }

  handlePong(): void {
    if (this.#session !== undefined) this.#session.awaitsPong = false;
  }

  handleDrained(): void {
    this.#webSocket.resume();
    if (this.#session === undefined) return;
    this.#parts.tick.drained(this.#session);
    if (this.#session.joinedMeanwhile === undefined) this.#parts.news.tellWithheld(this.#session);
  }

  handleClosed(): void {
    this.#owner.closed(this);
    this.#event("closed");
  }

  /** The machine stops: a live session is told when to come back, others are sent away. */
  drain(): void {
    this.#event("drain");
  }

  /** Ends without a word: the process stops. */
  terminate(): void {
    this.#webSocket.terminate();
  }

  /** For the session: ends the socket with what the code says. */
  end(code: ErrorCode): void {
    if (this.#state !== "ended") this.#end(code);
  }

  #event(event: SocketEvent, what: { frame?: ParsedFrame; error?: TidingsError; about?: About } = {}): void {
    const { next, action } = decideSocket(this.#state, event);
    this.#state = next;
    switch (action) {
      case "admit":
        // What comes behind the hello in the same packet is queued; the rest can wait where it costs us nothing (G8).
        this.#webSocket.pause();
        this.#admit(what.frame as HelloFrame).then(
          () => undefined,
          (error: unknown) => this.#event("refused", { error: toTidingsError(error, this.#parts.base.log) }),
        );
        return;
      case "serve-frame":
        this.#serve(what.frame as ParsedFrame);
        return;
      case "queue-frame":
        if (this.#queued.length >= queuedFramesMax) {
          this.#end("too-many-errors");
          return;
        }
        this.#queued.push(what.frame as ParsedFrame);
        return;
      case "answer-error":
        this.#badFrames += 1;
        if (this.#badFrames > badFramesMax) {
          this.#end("too-many-errors");
          return;
        }
        this.#refuseBadFrame(what.error ?? new TidingsError("hello-expected"), what.about);
        return;
      case "end-with-error":
        this.#end(what.error?.code ?? "internal", what.error);
        return;
      case "end-hello-expected":
        this.#end("hello-expected");
        return;
      case "end-hello-timeout":
        this.#end("hello-timeout");
        return;
      case "end-draining":
        this.#end("draining", new TidingsError("draining", { retryAfterMs: this.#drawDrainMs() }));
        return;
      case "say-goodbye":
        this.#sayGoodbye();
        return;
      case "clean-up":
        this.#cleanUp();
        return;
      case "welcome":
      case "ignore":
        return;
    }
  }

  /** Register, then read (design, 4.7): from the moment the row is in the Connection DB nothing that is read can be missed. */
  async #admit(hello: HelloFrame): Promise<void> {
    const { base, settings, access, admission, authenticator, cache, rows } = this.#parts;
    const admitted = admission.admit(hello.resume === true ? "resume" : "login");
    if (!admitted.ok) throw new TidingsError("busy", { retryAfterMs: admitted.retryAfterMs });
    const caller = await authenticator.authenticate(hello.token);
    if (this.#state !== "admitting") return;
    const user = caller.user.user_id;
    if ((cache.user(user)?.sessions.length ?? 0) >= settings.sessionsPerUser) {
      throw new TidingsError("too-many-sessions", {
        detail: `A user has at most ${settings.sessionsPerUser} sessions here.`,
        retryAfterMs: 5_000,
      });
    }
    const session = this.#open(caller);
    const row = rows.retain(user);
    this.#row = row;
    await row.registered;
    // Once more, now that whoever revokes a token finds this session: the token may have been revoked just before that.
    await authenticator.authenticate(hello.token);
    let states: readonly ConversationState[];
    let notified: number;
    let endings: number;
    // A membership that ended while they were read is not among them: its end was told before there was anybody to tell
    // it to. Nothing is waited for between the last look at the endings and the subscriptions (G7).
    do {
      if (this.#state !== "admitting") return;
      endings = access.endingsOf(user);
      const newest = base.stores.notifications.newest([user]);
      [states, [notified = 0]] = await Promise.all([access.states(user), newest]);
    } while (
      access.endingsOf(user) !== endings ||
      states.some(({ conversation, head }) => !cache.hasSeenSince(conversation, head))
    );
    if (this.#state !== "admitting") return;

    const conversations = states.map((state) => {
      const conversation = cache.conversationAt(state.conversation, state.head);
      const head = asSeq(Math.max(conversation.arrivedSeq, state.head));
      const have = hello.have[state.conversation];
      const cursor = have === undefined ? head : asSeq(Math.max(state.first_seq - 1, Math.min(have, head)));
      cache.subscribe(session, { conversation, sentSeq: cursor, said: have !== undefined });
      this.#parts.headChecks.soon(state.conversation);
      return { ...state, head };
    });
    this.#event("admitted");
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#pending.end(this.#socket);
    session.write(
      encodeFrame({
        type: "welcome",
        session: session.id,
        user: caller.user,
        heartbeat_ms: settings.heartbeatMs,
        conversations,
        notified,
      }),
    );
    const meanwhile = session.joinedMeanwhile ?? new Set();
    session.joinedMeanwhile = undefined;
    for (const id of meanwhile) this.#parts.bringing.attach(session, id);
    this.#parts.news.tellWithheld(session);
    this.#enqueueSync({ have: hello.have });
    const after = hello.notified;
    if (after !== undefined && after < notified) {
      this.#parts.news.tellAfter(session, after).catch((error: unknown) => {
        // An error frame would belong to nothing that the client asked for: it comes back, and says again what it has.
        if (this.#state !== "ended") this.#close(closeAndComeBack, toTidingsError(error, this.#parts.base.log).code);
      });
    }
    const queued = this.#queued;
    this.#queued = [];
    for (const frame of queued) this.#serve(frame);
    this.#webSocket.resume();
  }

  #open(caller: Caller): Session {
    const { base, cache } = this.#parts;
    const session = new Session({
      id: asSessionId(base.random.unguessable(16)),
      caller,
      socket: this.#socket,
      nowMs: base.clock.monotonicMs(),
      connection: this,
    });
    this.#session = session;
    cache.addSession(session);
    return session;
  }

  #serve(frame: ParsedFrame): void {
    const session = this.#session;
    if (session === undefined) return;
    switch (frame.type) {
      case "send":
        this.#send(session, frame);
        return;
      case "sync":
        this.#sync(session, frame);
        return;
      case "read":
        this.#guarded({ conversation: frame.conversation }, async () => {
          this.#parts.rateLimits.checkRequest(session.caller.user.user_id);
          await this.#parts.markers.markRead(session.caller.user.user_id, frame.conversation, frame.seq);
        });
        return;
      case "hello":
        return;
    }
  }

  /** A turn in it is settled, unless it is not its turn: otherwise the next one would wait for ever. */
  #refuseBadFrame(error: TidingsError, about: About = {}): void {
    try {
      this.#turns.check(about.turn);
      this.#turns.taken(about.turn);
      this.#answer(error, about);
    } catch (outOfTurn) {
      this.#answer(toTidingsError(outOfTurn, this.#parts.base.log), about);
    }
  }

  #send(session: Session, frame: SendFrame): void {
    const { sendService, outbox, rateLimits, log } = this.#parts;
    const about = { message_id: frame.message_id, ...(frame.turn === undefined ? {} : { turn: frame.turn }) };
    const refuse = (error: unknown): void => {
      if (!session.closed) outbox.write(session, errorFrame(toTidingsError(error, log), about));
    };
    try {
      this.#turns.check(frame.turn);
      if (this.#sendsUnderWay >= sendsUnderWayMax) throw new TidingsError("rate-limited", { retryAfterMs: 1_000 });
      rateLimits.checkMessage(session.caller.user.user_id);
      this.#turns.taken(frame.turn);
      const target = targetOf(frame);
      this.#sendsUnderWay += 1;
      const { type: _type, conversation: _conversation, to: _to, turn: _turn, ...message } = frame;
      sendService
        .send(session.caller.user.user_id, target, message)
        .then(
          (taken) => {
            const { conversation, messageId, seq, atMs } = taken;
            if (session.closed) return;
            const place = seq === undefined ? {} : { seq };
            outbox.write(session, encodeAck({ ...about, message_id: messageId, conversation, ...place, at_ms: atMs }));
          },
          (error: unknown) => {
            if (toTidingsError(error).entry.retryable) this.#turns.refused(frame.turn);
            refuse(error);
          },
        )
        .finally(() => {
          this.#sendsUnderWay -= 1;
        });
    } catch (error) {
      refuse(error);
    }
  }

  #sync(session: Session, frame: SyncFrame): void {
    try {
      this.#parts.rateLimits.checkRequest(session.caller.user.user_id);
      this.#syncs.checkRoom();
      this.#enqueueSync({ have: frame.have, request: frame.request });
    } catch (error) {
      this.#answer(toTidingsError(error), { request: frame.request });
    }
  }

  #enqueueSync(sync: { have: HelloFrame["have"]; request?: number }): void {
    const session = this.#session;
    if (session === undefined) return;
    const request = sync.request === undefined ? {} : { request: sync.request };
    this.#syncs.run(async () => {
      try {
        if (session.closed) return;
        const conversations = await this.#parts.syncSession(session, sync.have);
        session.write(encodeFrame({ type: "synced", ...request, conversations }));
      } catch (error) {
        const failure = toTidingsError(error, this.#parts.base.log);
        // A resume that failed leaves the session with unknown holes: it comes back and resumes again.
        if (sync.request === undefined) this.#end(failure.code, failure);
        else this.#answer(failure, request);
      }
    });
  }

  #guarded(about: About, action: () => Promise<void>): void {
    action().catch((error: unknown) => this.#answer(toTidingsError(error, this.#parts.base.log), about));
  }

  #answer(error: TidingsError, about: About = {}): void {
    if (this.#state !== "ended" && this.#socket.writable) this.#socket.write(errorFrame(error, about));
  }

  #sayGoodbye(): void {
    const reconnectAfterMs = this.#drawDrainMs();
    this.#session?.write(encodeFrame({ type: "goodbye", reconnect_after_ms: reconnectAfterMs }));
    this.#cancelTimer?.();
    this.#cancelTimer = this.#parts.base.clock.after(reconnectAfterMs + goodbyeGraceMs, () =>
      this.#close(1001, "draining"),
    );
  }

  #drawDrainMs(): number {
    return Math.floor(this.#parts.base.random.fraction() * this.#parts.settings.drainMs);
  }

  #end(code: ErrorCode, error: TidingsError = new TidingsError(code)): void {
    const entry: CatalogueEntry = errorCatalogue[code];
    const close = entry.close ?? (entry.retryable ? closeAndComeBack : 4400);
    if (this.#socket.writable) this.#socket.write(errorFrame(error, {}));
    this.#close(close, code);
  }

  #close(code: number, reason: string): void {
    this.#state = "ended";
    // Not when the client has answered the close: until then he would be sent entries, and keep his place (G7, G8).
    this.#leave();
    // The client's own close has to be read.
    this.#webSocket.resume();
    this.#webSocket.close(code, reason);
  }

  #cleanUp(): void {
    this.#pending.end(this.#socket);
    this.#leave();
  }

  /** Takes the session out of everything that it is in. Again does nothing. */
  #leave(): void {
    this.#cancelTimer?.();
    this.#queued = [];
    const session = this.#session;
    if (session === undefined || session.closed) return;
    session.closed = true;
    this.#parts.cache.removeSession(session);
    if (this.#row !== undefined) this.#parts.rows.release(this.#row);
    this.#row = undefined;
  }
}

/** Frames that came in one read with the hello: more than go into the 64 KiB of one. */
const queuedFramesMax = 2_048;
const badFramesMax = 20;
/** For errors that pass and have no close code of their own. */
const closeAndComeBack = 4500;
/** Of one session; each holds a message until the store has it. */
const sendsUnderWayMax = 1_000;
/** A client that heard goodbye has this long beyond its time before it is closed. */
const goodbyeGraceMs = 2_000;
