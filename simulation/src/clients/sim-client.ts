import {
  type ClientEvent,
  type ClientOptions,
  createClient,
  type OutgoingMessage,
  type TidingsClient,
} from "@tidings/client";
import {
  asMessageId,
  type ConversationId,
  directConversationId,
  type MessageId,
  type Seq,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import type { Network } from "../kernel/network.ts";
import type { Prng } from "../kernel/prng.ts";
import { SimProcess } from "../kernel/sim-process.ts";
import { type SimSocket, webSocketClass } from "./sim-socket.ts";

/** A message that a client was asked to send; the same one when it is repeated after a restart. */
export type IssuedSend = {
  readonly messageId: MessageId;
  readonly user: UserId;
  readonly conversation: ConversationId;
  readonly client: string;
  /** Which start of the client, and which of its sends, it was first. */
  readonly incarnation: number;
  readonly index: number;
  readonly issuedAtMs: number;
  readonly target: { readonly conversation: ConversationId } | { readonly to: UserId };
  readonly message: OutgoingMessage;
  /** The first acknowledgement, and every seq that one named. */
  ackedAtMs?: number;
  readonly seqs: Set<Seq>;
  refused?: TidingsError;
};

export type ClientWatcher = {
  issued(send: IssuedSend): void;
  acked(send: IssuedSend, seq: Seq | undefined): void;
  event(client: SimClient, event: ClientEvent): void;
  /** A hello is about to be said on a new connection. */
  connecting(client: SimClient): void;
};

export type ClientSurroundings = {
  readonly network: Network;
  readonly random: Prng;
  readonly watcher: ClientWatcher;
  /** Opens a socket to some machine. */
  readonly connect: (client: SimClient, process: SimProcess) => SimSocket;
  readonly fetch: (client: SimClient, process: SimProcess) => ClientOptions["fetch"];
};

/**
 * A user's device with the real client on it. What it was given and what it was asked to send survive its crashes, as an app
 * would keep them: after a start it says what it has, and sends again what is not settled.
 */
export class SimClient {
  readonly place: string;
  readonly user: UserId;
  readonly #surroundings: ClientSurroundings;
  readonly #random: Prng;
  #process: SimProcess | undefined;
  #client: TidingsClient | undefined;
  incarnation = 0;
  #sends = 0;
  /** Not settled, in the order in which they were asked for. */
  readonly unsettled = new Map<MessageId, IssuedSend>();
  /** conversation → the last seq that was given out, over all starts. */
  readonly held = new Map<ConversationId, Seq>();
  /** How fast its line is. */
  bytesPerMs = 10_000;

  constructor(place: string, user: UserId, surroundings: ClientSurroundings) {
    this.place = place;
    this.user = user;
    this.#surroundings = surroundings;
    this.#random = surroundings.random.fork(place);
  }

  get process(): SimProcess | undefined {
    return this.#process?.alive === true ? this.#process : undefined;
  }

  get isLive(): boolean {
    return this.process !== undefined && this.#client?.state === "live";
  }

  get state(): string {
    return this.process === undefined ? "off" : (this.#client?.state ?? "off");
  }

  start(): void {
    if (this.process !== undefined) return;
    const { network, watcher, connect, fetch } = this.#surroundings;
    this.incarnation += 1;
    const random = this.#random.fork(`${this.place} start ${this.incarnation}`);
    const process = new SimProcess(network.timeline, {
      place: this.place,
      skew: { wallOffsetMs: random.whole(-60_000, 60_000), drift: random.between(-0.0005, 0.0005) },
    });
    this.#process = process;
    const open = (): SimSocket => {
      watcher.connecting(this);
      return connect(this, process);
    };
    const fetching = fetch(this, process);
    const client = createClient({
      url: "http://tidings.simulated",
      token: this.user,
      unknown: "everything",
      have: Object.fromEntries(this.held),
      clock: process.clock,
      random,
      webSocket: webSocketClass(open),
      ...(fetching === undefined ? {} : { fetch: fetching }),
      onEvent: (event) => this.#handle(event),
    });
    this.#client = client;
    for (const send of this.unsettled.values()) this.#submit(send);
    client.start();
  }

  /** The app is killed, or the device loses its power. */
  crash(): void {
    this.#process?.kill();
  }

  /** Asks the client to send. Works also while it is not connected; not while it is off. */
  sends(target: IssuedSend["target"], text: string, more: { mentions?: UserId[] } = {}): IssuedSend {
    this.#sends += 1;
    const messageId = asMessageId(`${this.place}.${this.#sends}`);
    const send: IssuedSend = {
      messageId,
      user: this.user,
      conversation: "to" in target ? directConversationId(this.user, target.to) : target.conversation,
      client: this.place,
      incarnation: this.incarnation,
      index: this.#sends,
      issuedAtMs: this.#surroundings.network.timeline.nowMs,
      target,
      message: { text, message_id: messageId, ...more },
      seqs: new Set(),
    };
    this.#surroundings.watcher.issued(send);
    this.unsettled.set(messageId, send);
    if (this.process !== undefined) this.#submit(send);
    return send;
  }

  /** Sends once more, under the same id, what may have been acknowledged long ago. */
  repeats(send: IssuedSend): void {
    if (this.process !== undefined && !this.unsettled.has(send.messageId)) this.#submit(send);
  }

  #submit(send: IssuedSend): void {
    const { incarnation } = this;
    this.#client?.send(send.target, send.message).then(
      ({ seq }) => {
        if (incarnation !== this.incarnation) return;
        send.ackedAtMs ??= this.#surroundings.network.timeline.nowMs;
        this.unsettled.delete(send.messageId);
        this.#surroundings.watcher.acked(send, seq);
      },
      (error: unknown) => {
        if (incarnation !== this.incarnation || !(error instanceof TidingsError)) return;
        send.refused = error;
        this.unsettled.delete(send.messageId);
      },
    );
  }

  #handle(event: ClientEvent): void {
    this.#surroundings.watcher.event(this, event);
    const last = event.type === "entries" ? event.entries.at(-1)?.seq : undefined;
    if (event.type === "entries" && last !== undefined) this.held.set(event.conversation, last);
  }
}
