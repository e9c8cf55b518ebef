import type {
  ConversationState,
  DeliverFrame,
  ReadFrame,
  SendFrame,
  Seq,
  ServerFrame,
  SyncFrame,
  TidingsError,
  User,
} from "@tidings/protocol";
import type { Have } from "./inbox.ts";

/**
 * A way to receive and send. All three speak in the frames of the WebSocket: a polling transport turns its answers into
 * the frames that a socket would have brought, so that everything above is the same for all.
 */
export interface Transport {
  /** May several sends be in flight? Then they carry turns. */
  readonly sendsAhead: boolean;
  /** Opens a link, which says hello by itself. */
  open(hello: Hello, listener: LinkListener): Link;
}

export type Hello = {
  readonly token: string;
  /** What is held: called when it is said, so that it is not older than it need be. A polling link calls it for each poll. */
  readonly have: () => Have;
  readonly notified: () => number | undefined;
  /** This client was connected before. */
  readonly resume: boolean;
};

export interface LinkListener {
  /** In order, not before `open` has returned, not after `ended` or `close`. */
  frame(frame: LinkFrame): void;
  /** Something came that is no frame. */
  badFrame(detail: string): void;
  /** Once, not after `close`. `denied`: the same token or request would be refused again. */
  ended(end: LinkEnd): void;
}

export type LinkEnd = { readonly error: TidingsError; readonly denied: boolean };

/** Of a welcome only this is used; `heartbeat_ms` 0 stands for a link that watches itself. */
export type LinkWelcome = {
  readonly type: "welcome";
  readonly user: User;
  readonly conversations: readonly ConversationState[];
  readonly heartbeat_ms: number;
  readonly notified: number;
};
/** A poll's answer gives with the entries what the user may read: from `first_seq` on, to `last_seq` where he is no member. */
export type LinkDeliver = DeliverFrame & { readonly readable?: { readonly first_seq: Seq; readonly last_seq?: Seq } };
export type LinkFrame = LinkWelcome | LinkDeliver | Exclude<ServerFrame, { type: "welcome" | "deliver" }>;

/** Only after the welcome may anything but `close` be called. None of them throws. */
export interface Link {
  /** Answered by `ack` or `error`, with the message_id and the turn. */
  send(frame: SendFrame): void;
  /** Answered by `deliver` frames and a `synced` with the request's number, or by an `error` with it. */
  sync(frame: SyncFrame): void;
  read(frame: ReadFrame): void;
  /** Resolves when it is closed. Again is the same. */
  close(): Promise<void>;
}
