import {
  type AckFrame,
  asMessageId,
  checkMessageSize,
  clientFrameSchemas,
  type ConversationId,
  type ErrorFrame,
  limits,
  type SendFrame,
  type Seq,
  TidingsError,
  validator,
} from "@tidings/protocol";
import { Alarm } from "./alarm.ts";
import type { TidingsApi } from "./api.ts";
import {
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  publicState,
  transition,
} from "./connection.ts";
import { ClientStoppedError } from "./errors.ts";
import { type Have, Inbox } from "./inbox.ts";
import { Links } from "./links.ts";
import { Notices, ReadMarkers } from "./notices.ts";
import { errorOf, Outbox } from "./outbox.ts";
import { type ClientParts, partsOf } from "./parts.ts";
import type { Link, LinkFrame, LinkWelcome } from "./transport.ts";
import type {
  ClientClock,
  ClientEvent,
  ClientOptions,
  ClientRandom,
  ClientState,
  OutgoingMessage,
  SendTarget,
  SentMessage,
  TidingsClient,
} from "./types.ts";
import { Waiters } from "./waiters.ts";

/** A client that is not started yet. Throws `invalid-request` when an option is out of its range. */
export function createClient(options: ClientOptions): TidingsClient {
  return new Client(partsOf(options));
}

/** The same over a transport of one's own. */
export function createClientOver(parts: ClientParts): TidingsClient {
  return new Client(parts);
}

/** How long `stop` waits for the other side to close. */
const closeMsMax = 2_000;
const messageIdLength = 22;
const checkFrame = validator(clientFrameSchemas.send);

/**
 * The shell: it runs the effects of the connection's state machine over a transport, hands frames to the inbox and the
 * outbox, and tells the listeners. What it decides by itself is only what belongs to which link.
 */
class Client implements TidingsClient {
  readonly api: TidingsApi;
  readonly #clock: ClientClock;
  readonly #random: ClientRandom;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #notices: Notices;
  readonly #reads = new ReadMarkers();
  readonly #listeners = new Set<(event: ClientEvent) => void>();

  #connection: ConnectionState = { name: "idle" };
  readonly #events: ConnectionEvent[] = [];
  #dispatching = false;
  readonly #links: Links;
  #current: { readonly number: number; readonly link: Link } | undefined;
  #heardMs = 0;
  #draining = false;

  readonly #connectionAlarm: Alarm;
  readonly #inboxAlarm: Alarm;
  readonly #outboxAlarm: Alarm;
  readonly #live = new Waiters();
  readonly #complete = new Waiters();
  readonly #empty = new Waiters();

  constructor(parts: ClientParts) {
    this.api = parts.api;
    this.#clock = parts.clock;
    this.#random = parts.random;
    if (parts.onEvent !== undefined) this.#listeners.add(parts.onEvent);
    this.#connectionAlarm = new Alarm(parts.clock, () => this.#dispatch({ type: "due" }));
    this.#inboxAlarm = new Alarm(parts.clock, () => this.#inbox.handleDue());
    this.#outboxAlarm = new Alarm(parts.clock, () => this.#flush());
    this.#links = new Links(
      {
        transport: parts.transport,
        token: parts.token,
        hello: () => ({
          have: () => this.#inbox.name(),
          notified: () => this.#notices.held,
          resume: this.#inbox.welcomed,
        }),
      },
      {
        frame: (link, frame) => this.#handleFrame(link, frame),
        badFrame: (detail) => this.#emit({ type: "anomaly", kind: "bad-frame", detail }),
        lost: (link, error) => this.#dispatch({ type: "lost", link, error }),
        denied: (link, error, renewable) => this.#dispatch({ type: "denied", link, error, renewable }),
      },
    );
    this.#inbox = new Inbox(parts, {
      emit: (event) => this.#emit(event),
      sync: (request, have) => this.#current?.link.sync({ type: "sync", request, have }),
      wake: (afterMs) => this.#inboxAlarm.set(afterMs),
      nowMs: () => this.#clock.monotonicMs(),
    });
    const { sendsAhead } = parts.transport;
    const windowMax = sendsAhead ? parts.sendWindow : 1;
    this.#outbox = new Outbox({ windowMax, messagesMax: parts.outboxMax, turns: sendsAhead });
    this.#notices = new Notices(parts.notified, {
      emit: (notifications) => this.#emit({ type: "notifications", notifications }),
      fetch: (after) => this.#fetchNotifications(after),
    });
  }

  get state(): ClientState {
    return publicState(this.#connection);
  }

  get notified(): number | undefined {
    return this.#notices.held;
  }

  start(): void {
    this.#dispatch({ type: "start" });
  }

  async send(target: SendTarget, message: OutgoingMessage): Promise<SentMessage> {
    if (this.#draining || this.state === "stopped") throw new ClientStoppedError();
    const message_id = message.message_id ?? asMessageId(this.#random.unguessable(messageIdLength));
    // What the server would refuse is refused here, so that no bad frame can cost the session.
    const frame: SendFrame = checkFrame({ ...message, ...target, message_id, type: "send" });
    checkMessageSize(frame);
    return new Promise((resolve, reject) => {
      this.#outbox.add({
        frame,
        settle: (outcome) => (outcome instanceof TidingsError ? reject(outcome) : resolve(sentMessage(outcome))),
      });
      this.#flush();
    });
  }

  markRead(conversation: ConversationId, seq: Seq): void {
    this.#reads.mark(conversation, seq);
    this.#current?.link.read({ type: "read", conversation, seq });
  }

  on(listener: (event: ClientEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  cursors(): Have {
    return this.#inbox.cursors();
  }

  async whenLive(signal?: AbortSignal): Promise<void> {
    if (this.state === "live") return;
    await this.#live.wait(this.#stopError(), signal);
  }

  async sync(): Promise<void> {
    const complete = this.#complete.wait(this.#stopError());
    this.#inbox.refresh();
    await complete;
  }

  async drain(): Promise<void> {
    this.#draining = true;
    if (this.state === "idle" && this.#outbox.size > 0) this.start();
    if (this.#outbox.size > 0) await this.#empty.wait(undefined);
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#dispatch({ type: "stop" });
    let cancel: (() => void) | undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(closeMsMax, resolve);
    });
    await Promise.race([this.#links.closed(), late]);
    cancel?.();
  }

  /** One event after the other, also when an effect or a listener brings the next one. */
  #dispatch(event: ConnectionEvent): void {
    this.#events.push(event);
    if (this.#dispatching) return;
    this.#dispatching = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next);
    this.#dispatching = false;
  }

  #step(event: ConnectionEvent): void {
    const before = this.#connection;
    const nowMs = this.#clock.monotonicMs();
    const context = { nowMs, fraction: this.#random.fraction(), silentMs: this.#silentMs(nowMs) };
    const { state, effects } = transition(before, event, context);
    this.#connection = state;
    for (const effect of effects) this.#run(effect);
    if (publicState(before) !== publicState(state)) this.#announce(state);
  }

  #run(effect: ConnectionEffect): void {
    switch (effect.type) {
      case "open":
        this.#links.open(effect.link);
        return;
      case "close":
        this.#links.close(effect.link);
        return;
      case "use":
        this.#use(effect.link);
        return;
      case "wake":
        this.#connectionAlarm.set(effect.afterMs);
    }
  }

  #announce(state: ConnectionState): void {
    const error = "error" in state ? state.error : undefined;
    const told = { type: "state", state: publicState(state) } as const;
    this.#emit(error === undefined ? told : { ...told, error });
    if (state.name === "live") this.#live.resolve();
    if (state.name !== "stopped") return;
    this.#outbox.rejectAll(new ClientStoppedError(state.error));
    this.#empty.resolve();
    this.#live.reject(state.error ?? new ClientStoppedError());
    this.#complete.reject(state.error ?? new ClientStoppedError());
  }

  #stopError(): TidingsError | undefined {
    if (this.#connection.name !== "stopped") return undefined;
    return this.#connection.error ?? new ClientStoppedError();
  }

  #use(number: number | undefined): void {
    const link = number === undefined ? undefined : this.#links.get(number);
    this.#current = number === undefined || link === undefined ? undefined : { number, link };
    this.#heardMs = this.#clock.monotonicMs();
    this.#outboxAlarm.set(undefined);
    if (this.#current !== undefined) {
      this.#outbox.beginSession();
      return;
    }
    this.#outbox.endSession();
    this.#inbox.endSession();
  }

  /** We end the link in use; the machine decides how to come back. */
  #drop(error: TidingsError): void {
    const number = this.#current?.number;
    if (number === undefined) return;
    this.#links.close(number);
    this.#dispatch({ type: "lost", link: number, error });
  }

  #silentMs(nowMs: number): number {
    const since = Math.min(this.#heardMs, this.#inbox.askedSinceMs ?? nowMs, this.#outbox.oldestSentMs ?? nowMs);
    return nowMs - since;
  }

  #handleFrame(number: number, frame: LinkFrame): void {
    if (frame.type === "welcome") {
      this.#handleWelcome(number, frame);
      return;
    }
    if (number !== this.#current?.number) return;
    this.#heardMs = this.#clock.monotonicMs();
    switch (frame.type) {
      case "deliver":
        this.#inbox.handleDeliver(frame);
        return;
      case "ack":
        this.#outbox.handleAck(frame);
        this.#flush();
        return;
      case "heads":
        this.#inbox.handleHeads(frame);
        return;
      case "synced":
        this.#inbox.handleSynced(frame);
        return;
      case "hint":
        this.#inbox.handleHint(frame);
        return;
      case "joined":
        this.#inbox.handleJoined(frame);
        return;
      case "ended":
        this.#inbox.handleEnded(frame);
        return;
      case "notify":
        this.#notices.handleNotify(frame.notifications);
        return;
      case "marked":
        this.#emit({ type: "marked", conversation: frame.conversation, read_seq: frame.read_seq });
        return;
      case "goodbye":
        this.#dispatch({ type: "goodbye", link: number, reconnectAfterMs: frame.reconnect_after_ms });
        return;
      case "error":
        this.#handleError(frame);
        return;
      default:
        // A type newer than this client: to be ignored, says the protocol.
        return;
    }
  }

  #handleWelcome(number: number, welcome: LinkWelcome): void {
    this.#dispatch({ type: "welcome", link: number, heartbeatMs: welcome.heartbeat_ms });
    if (number !== this.#current?.number) return;
    this.#links.handleWelcome();
    this.#inbox.handleWelcome(welcome.conversations);
    this.#notices.handleWelcome(welcome.notified);
    this.#emit({ type: "welcome", user: welcome.user, conversations: welcome.conversations });
    for (const { conversation, seq } of this.#reads.handleWelcome(welcome.conversations)) {
      this.#current?.link.read({ type: "read", conversation, seq });
    }
    this.#flush();
  }

  #handleError(frame: ErrorFrame): void {
    if (frame.message_id !== undefined || frame.turn !== undefined) {
      const when = { nowMs: this.#clock.monotonicMs(), fraction: this.#random.fraction() };
      const refused = this.#outbox.handleRefusal(frame, when);
      if (refused !== undefined) this.#emit({ type: "refused", message_id: refused.message_id, error: refused.error });
      this.#flush();
    } else if (frame.request !== undefined) {
      this.#inbox.handleSyncRefused(frame.request, frame.retry_after_ms);
    } else if (frame.conversation !== undefined) {
      // A read marker. What is refused for a while goes again with the next welcome.
      if (frame.retryable) return;
      this.#reads.forget(frame.conversation);
      this.#emit({ type: "mark-refused", conversation: frame.conversation, error: errorOf(frame) });
    } else if (this.#inbox.resuming) {
      // The sync that hello began failed, and nothing will close it: say hello anew.
      this.#drop(errorOf(frame));
    } else if (errorOf(frame).entry.close === undefined) {
      this.#emit({ type: "anomaly", kind: "bad-frame", detail: `an error that belongs to nothing: ${frame.code}` });
    }
  }

  /** Sends what may go now. */
  #flush(): void {
    const nowMs = this.#clock.monotonicMs();
    const link = this.#current?.link;
    if (link !== undefined) {
      for (let frame = this.#outbox.next(nowMs); frame !== undefined; frame = this.#outbox.next(nowMs))
        link.send(frame);
      this.#outboxAlarm.set(this.#outbox.heldForMs(nowMs));
      if (this.#outbox.confused) this.#drop(new TidingsError("out-of-turn"));
    }
    if (this.#outbox.size === 0) this.#empty.resolve();
  }

  #fetchNotifications(after: number): void {
    this.api.call("notifications", { query: { after, limit: limits.pageMax } }).then(
      ({ items }) => this.#notices.handleFetched(items),
      (error: unknown) => {
        if (!(error instanceof TidingsError)) throw error;
        this.#notices.handleFetchFailed();
      },
    );
  }

  #emit(event: ClientEvent): void {
    if (event.type === "complete") this.#complete.resolve();
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // The listener's bug: it surfaces as an uncaught error, and our state stays whole.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function sentMessage({ conversation, message_id, seq, at_ms }: AckFrame): SentMessage {
  return seq === undefined ? { conversation, message_id, at_ms } : { conversation, message_id, seq, at_ms };
}
