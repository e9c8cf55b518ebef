import type { ConversationId, ErrorCode, SessionId } from "@tidings/protocol";
import type { Caller } from "../services.ts";
import type { ClientSocket } from "./client-link.ts";
import type { Subscription } from "./local-conversation.ts";
import type { News } from "./user-news.ts";

/**
 * A session on a WebSocket that said who it is. Its state is small on purpose: a machine holds tens of thousands.
 */
export class Session {
  readonly id: SessionId;
  readonly caller: Caller;
  readonly openedAtMs: number;
  /** One for each conversation, in no order. */
  readonly subscriptions: Subscription[] = [];
  /** Conversations that the user came into while `welcome` was being put together; undefined once it was sent. */
  joinedMeanwhile: Set<ConversationId> | undefined = new Set();
  /** More than the bound is unsent: bodies are withheld, heads follow when the socket has drained. */
  backlogged = false;
  /** What it is told when it has drained, by what it is about; undefined for nothing. */
  withheld: Map<string, News> | undefined;
  closed = false;
  /** Set by a ping, cleared by its pong. */
  awaitsPong = false;
  lastBeatMs: number;
  readonly #connection: Endable;
  readonly #socket: ClientSocket;
  #corked = false;

  constructor(options: {
    id: SessionId;
    caller: Caller;
    socket: ClientSocket;
    nowMs: number;
    connection: Endable;
  }) {
    this.id = options.id;
    this.caller = options.caller;
    this.#socket = options.socket;
    this.openedAtMs = options.nowMs;
    this.lastBeatMs = options.nowMs;
    this.#connection = options.connection;
  }

  /** Ends the socket, with an error frame and the code's close code. */
  end(code: ErrorCode): void {
    this.#connection.end(code);
  }

  /** Writes a whole frame. The socket's own queue is its only buffer; `isOver` watches its length. */
  write(frame: Buffer): void {
    if (!this.closed) this.#socket.write(frame);
  }

  /** Is more than this unsent? Only said while the socket will tell when it has drained. */
  isOver(unsentBytesMax: number): boolean {
    return this.#socket.writableNeedDrain && this.#socket.writableLength > unsentBytesMax;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** From now until `uncork`, frames are gathered into one write to the system. Answers whether that begins now. */
  cork(): boolean {
    if (this.#corked || this.closed) return false;
    this.#corked = true;
    this.#socket.cork();
    return true;
  }

  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  subscription(conversation: ConversationId): Subscription | undefined {
    for (const subscription of this.subscriptions) {
      if (subscription.conversation.id === conversation) return subscription;
    }
    return undefined;
  }
}

/** What carries a session. An ending that is under way is not begun again. */
export type Endable = { end(code: ErrorCode): void };
