import type {
  ConversationId,
  ConversationState,
  EndedFrame,
  Entry,
  HttpAnswer,
  MessageEntry,
  MessageId,
  Notification,
  Seq,
  TidingsError,
  User,
  UserId,
} from "@tidings/protocol";
import type { FetchLike, TidingsApi } from "./api.ts";

/** What a program holds of Tidings: one session that connects, resumes, receives and sends by itself. */
export interface TidingsClient {
  /** Every other operation: accounts, groups, history. It retries nothing by itself. */
  readonly api: TidingsApi;
  readonly state: ClientState;
  /** Connects, and comes back after every loss until `stop`, `drain` or a refusal. Again is the same; not after `stop`. */
  start(): void;
  /**
   * Resolves when the message is durable (G1). Messages of one client to one target are stored in the order of the calls
   * (G4), each once (G2), however often the connection is lost. May be called before `start` and while not connected.
   * Rejects with the server's TidingsError that is not retryable, `OutboxFullError`, or `ClientStoppedError`; after the
   * last the message may have been stored: only the same message_id again tells.
   */
  send(target: SendTarget, message: OutgoingMessage): Promise<SentMessage>;
  /** Moves the read marker, now or when connected. The server never moves it back. */
  markRead(conversation: ConversationId, seq: Seq): void;
  /** The answer removes the listener. An error thrown by a listener surfaces as an uncaught one and harms nobody else. */
  on(listener: (event: ClientEvent) => void): () => void;
  /** conversation → the last seq given out in an `entries` event (or where it began). Give it back as `have` to resume. */
  cursors(): Record<ConversationId, Seq>;
  /** The last notification given out in order; undefined before the first welcome where none was given. */
  readonly notified: number | undefined;
  /** Resolves when live; rejects with the error that stopped the client, or the signal's reason. */
  whenLive(signal?: AbortSignal): Promise<void>;
  /** Asks for what is newer in every conversation and resolves when nothing known is missing; rejects when stopped. */
  sync(): Promise<void>;
  /** Takes no more sends, waits until each one is settled, then stops. */
  drain(): Promise<void>;
  /** Ends now: sends that are not settled reject with `ClientStoppedError`. Resolves when the connection is closed. */
  stop(): Promise<void>;
}

export type ClientState = "idle" | "connecting" | "live" | "waiting" | "stopped";

export type SendTarget = { readonly conversation: ConversationId } | { readonly to: UserId };
/** `message_id` is drawn where it is absent. Sizes: `limits.textBytesMax`, `metadataBytesMax`, `mentionsMax`. */
export type OutgoingMessage = Pick<MessageEntry, "text" | "mentions" | "metadata"> & {
  readonly message_id?: MessageId;
};
/** `seq` is absent only where the server acknowledges before it sequences. */
export type SentMessage = HttpAnswer<"sendMessage">;

export type ClientEvent =
  /** `error`: why it is not live any more, or why it stopped. */
  | { readonly type: "state"; readonly state: ClientState; readonly error?: TidingsError }
  /** At every connection: who we are and every conversation that we are in. */
  | { readonly type: "welcome"; readonly user: User; readonly conversations: readonly ConversationState[] }
  /** In order, dense, each entry once. `from_seq` jumps only to the `first_seq` of the conversation. */
  | {
      readonly type: "entries";
      readonly conversation: ConversationId;
      readonly from_seq: Seq;
      readonly entries: readonly Entry[];
    }
  /** Nothing known is missing now. Comes once after each connection and after each repair. */
  | { readonly type: "complete" }
  | { readonly type: "joined"; readonly state: ConversationState }
  /** All entries up to `last_seq` were given out. `reason` is absent where the server did not say. */
  | {
      readonly type: "ended";
      readonly conversation: ConversationId;
      readonly last_seq: Seq;
      readonly reason?: EndedFrame["reason"];
    }
  | { readonly type: "notifications"; readonly notifications: readonly Notification[] }
  | { readonly type: "marked"; readonly conversation: ConversationId; readonly read_seq: Seq }
  /** A send was refused for good; its promise rejects with the same error. */
  | { readonly type: "refused"; readonly message_id: MessageId; readonly error: TidingsError }
  /** A read marker was refused for good. */
  | { readonly type: "mark-refused"; readonly conversation: ConversationId; readonly error: TidingsError }
  /** The server broke the protocol; the client went on as well as it could. */
  | {
      readonly type: "anomaly";
      readonly kind: AnomalyKind;
      readonly conversation?: ConversationId;
      readonly detail: string;
    };

/**
 * - `hole`: the entries of one range are not from_seq, from_seq + 1 …
 * - `head-went-back`: the server's head is lower than what it gave us before.
 * - `after-end`: an entry after the `last_seq` of a conversation that we are no longer in.
 * - `unknown-conversation`: entries of a conversation that was never announced.
 * - `bad-frame`: not JSON, without a type, or an error that belongs to nothing.
 */
export type AnomalyKind = "hole" | "head-went-back" | "after-end" | "unknown-conversation" | "bad-frame";

export type TransportName = "ws" | "longpoll" | "poll";

export type ClientOptions = {
  /** `http://…` or `https://…`, with or without a path. */
  readonly url: string;
  /** A function is asked before every connection and every call of `api`; also anew when the server refuses the token. */
  readonly token: string | (() => string | Promise<string>);
  /** `ws` unless told. */
  readonly transport?: TransportName;
  /**
   * What to fetch, at the first connection, of conversations that have no cursor: nothing before now (`from-head`, the
   * default), what came since the user joined, or everything that he may read. Conversations that appear later are always
   * taken from the entry with which he joined, at the latest.
   */
  readonly unknown?: "from-head" | "since-join" | "everything";
  /** What is held already: conversation → last seq. */
  readonly have?: Readonly<Record<ConversationId, number>>;
  /** The last notification held; absent: only new ones. */
  readonly notified?: number;
  /** Name and version of the program, for the server's log. At most 64 characters. */
  readonly name?: string;
  /** Of short polling; what the server asks for unless told. */
  readonly pollIntervalMs?: number;
  /** Sends in flight on a WebSocket; 16 unless told. The polling transports send one at a time. */
  readonly sendWindow?: number;
  /** Messages that are not settled yet; 10,000 unless told. */
  readonly outboxMax?: number;
  readonly onEvent?: (event: ClientEvent) => void;
  readonly clock?: ClientClock;
  readonly random?: ClientRandom;
  readonly webSocket?: WebSocketConstructor;
  readonly fetch?: FetchLike;
};

export interface ClientClock {
  /** Milliseconds from an arbitrary start; only moves forward. */
  monotonicMs(): number;
  /** Runs `action` once, `delayMs` from now at the earliest; the answer cancels it. */
  after(delayMs: number, action: () => void): () => void;
}

export interface ClientRandom {
  /** 0 ≤ x < 1, for jitter. */
  fraction(): number;
  /** Letters a–z and digits, from a secure source. */
  unguessable(length: number): string;
}

/** The part of the WHATWG WebSocket that is used: the global one, or that of the package `ws`. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;
