import {
  type AckFrame,
  asSeq,
  type ConversationId,
  type ErrorFrame,
  type ReadFrame,
  type SendFrame,
  type SyncedFrame,
  type SyncFrame,
  TidingsError,
} from "@tidings/protocol";
import type { Have } from "../inbox.ts";
import type { Hello, Link, LinkFrame, LinkListener, Transport } from "../transport.ts";
import { me, type ModelConversation, type ModelTruth } from "./model-truth.ts";

/** How the server pushes a new entry: as it should, not at all, with a gap before it, with old entries before it, or twice. */
export type PushMode = "push" | "skip" | "gapped" | "overlap" | "twice";
export type Refusal = {
  readonly code: "rate-limited" | "unavailable" | "invalid-request";
  readonly retryAfterMs?: number;
};

/**
 * A server of sockets that a test drives step by step: what either side says waits in a queue until the test lets it
 * through, or loses it. It keeps the rules of docs/protocol.md; what it is made to do wrong, it may do.
 */
export class ModelSockets implements Transport {
  readonly sendsAhead = true;
  readonly truth: ModelTruth;
  links: ModelLink[] = [];
  /** For the next sends, syncs and hellos. */
  readonly refuseSends: Refusal[] = [];
  refuseSyncs = 0;
  refuseHellos = 0;
  /** Messages that were refused for good at least once, whether or not the client heard of it. */
  readonly refusedForGood = new Set<string>();
  /** Entries in the answer to one sync. */
  budget = 1_000;

  constructor(truth: ModelTruth) {
    this.truth = truth;
  }

  open(hello: Hello, listener: LinkListener): Link {
    const link = new ModelLink(this, hello, listener);
    this.links.push(link);
    return link;
  }

  /** Links that the client holds; the others are those whose last words may still arrive. */
  get held(): readonly ModelLink[] {
    return this.links.filter((link) => link.held);
  }

  append(conversation: ModelConversation, mode: PushMode): void {
    this.truth.append(conversation);
    this.push(conversation, mode);
  }

  push(conversation: ModelConversation, mode: PushMode): void {
    for (const link of this.links) link.push(conversation, mode);
  }

  join(conversation: ModelConversation): void {
    this.truth.join(conversation);
    for (const link of this.links) link.tellJoined(conversation);
  }

  leave(conversation: ModelConversation, order: "entries-first" | "ended-first" | "silently"): void {
    const { access } = conversation;
    if (access === undefined) return;
    this.truth.leave(conversation, access);
    for (const link of this.links) link.tellEnded(conversation, order);
  }

  forget(link: ModelLink): void {
    this.links = this.links.filter((other) => other !== link);
  }
}

class ModelLink implements Link {
  /** What the client said and the server has not heard yet, and the other way round. */
  readonly up: (() => void)[] = [];
  readonly down: LinkFrame[] = [];
  held = true;
  readonly #server: ModelSockets;
  readonly #hello: Hello;
  readonly #listener: LinkListener;
  readonly #sent = new Map<ConversationId, number>();
  #welcomed = false;
  #nextTurn = 1;

  constructor(server: ModelSockets, hello: Hello, listener: LinkListener) {
    this.#server = server;
    this.#hello = hello;
    this.#listener = listener;
    // The hello is put together when the socket opens, which is when the client's first word would be on its way.
    this.up.push(() => this.#takeHello(hello.have()));
  }

  send(frame: SendFrame): void {
    this.up.push(() => this.#takeSend(frame));
  }

  sync(frame: SyncFrame): void {
    this.up.push(() => this.#takeSync(frame));
  }

  read(_frame: ReadFrame): void {
    this.up.push(() => undefined);
  }

  async close(): Promise<void> {
    this.held = false;
    this.down.length = 0;
  }

  /** The server hears the next word. */
  stepUp(): boolean {
    const word = this.up.shift();
    word?.();
    if (!this.held && this.up.length === 0) this.#server.forget(this);
    return word !== undefined;
  }

  /** The client hears the next word. */
  stepDown(): boolean {
    const frame = this.held ? this.down.shift() : undefined;
    if (frame !== undefined) this.#listener.frame(frame);
    return frame !== undefined;
  }

  /** The connection is lost; with `unheard` the server may still read what was on its way. */
  cut(unheard: "arrives" | "lost", error = new TidingsError("unavailable")): void {
    if (!this.held) return;
    this.held = false;
    this.down.length = 0;
    if (unheard === "lost") this.#server.forget(this);
    this.#listener.ended({ error, denied: false });
  }

  heads(): void {
    if (!this.#welcomed) return;
    const members = this.#server.truth.states();
    const heads = Object.fromEntries(members.map(({ conversation, head }) => [conversation, head]));
    this.#say({ type: "heads", heads });
  }

  goodbye(afterMs: number): void {
    if (this.#welcomed) this.#say({ type: "goodbye", reconnect_after_ms: afterMs });
  }

  push(conversation: ModelConversation, mode: PushMode): void {
    const sent = this.#sent.get(conversation.id);
    if (sent === undefined || mode === "skip") return;
    const head = conversation.entries.length;
    // A session that is behind is not pushed to: it has been told, or will be told, the head.
    if (mode !== "gapped" && sent !== head - 1) return;
    const from = mode === "overlap" ? Math.max(conversation.access?.firstSeq ?? 1, head - 2) : head;
    for (let times = mode === "twice" ? 2 : 1; times > 0; times -= 1) this.#deliver(conversation, from, head);
    this.#sent.set(conversation.id, head);
  }

  tellJoined(conversation: ModelConversation): void {
    const { access } = conversation;
    if (!this.#welcomed || access === undefined) return;
    this.#say({ type: "joined", state: this.#server.truth.state(conversation, access) });
    this.#deliver(conversation, access.joinedSeq, conversation.entries.length);
    this.#sent.set(conversation.id, conversation.entries.length);
  }

  tellEnded(conversation: ModelConversation, order: "entries-first" | "ended-first" | "silently"): void {
    const sent = this.#sent.get(conversation.id);
    this.#sent.delete(conversation.id);
    const last = conversation.access?.lastSeq;
    if (sent === undefined || last === undefined) return;
    const ended = { type: "ended", conversation: conversation.id, last_seq: last, reason: "left" } as const;
    if (order === "ended-first") this.#say(ended);
    if (order !== "silently" && sent < last) this.#deliver(conversation, sent + 1, last);
    if (order !== "ended-first") this.#say(ended);
  }

  #takeHello(have: Have): void {
    if (this.#server.refuseHellos > 0) {
      this.#server.refuseHellos -= 1;
      this.cut("lost", new TidingsError("busy", { retryAfterMs: 100 }));
      return;
    }
    const { truth } = this.#server;
    const conversations = truth.states();
    for (const { conversation, head, first_seq } of conversations) {
      const named = have[conversation];
      this.#sent.set(conversation, named === undefined ? head : Math.max(first_seq - 1, Math.min(named, head)));
    }
    this.#welcomed = true;
    const notified = this.#hello.notified() ?? 0;
    this.#say({ type: "welcome", user: me, conversations, heartbeat_ms: 25_000, notified });
    this.#bring(have, undefined);
  }

  #takeSync({ request, have }: SyncFrame): void {
    if (this.#server.refuseSyncs > 0) {
      this.#server.refuseSyncs -= 1;
      this.#refuse(new TidingsError("rate-limited", { retryAfterMs: 50 }), { request });
      return;
    }
    this.#bring(have, request);
  }

  #bring(have: Have, request: number | undefined): void {
    const { truth } = this.#server;
    let left = this.#server.budget;
    const conversations: SyncedFrame["conversations"] = [];
    for (const [id, cursor] of Object.entries(have)) {
      const conversation = truth.find(id as ConversationId);
      const read = conversation === undefined ? undefined : truth.read(conversation, cursor, left);
      if (conversation === undefined || read === undefined) continue;
      left -= read.entries.length;
      const from = read.reached - read.entries.length + 1;
      if (read.entries.length > 0) this.#deliver(conversation, from, read.reached);
      if (read.access.member) this.#sent.set(conversation.id, read.reached);
      const { lastSeq, firstSeq } = read.access;
      const item = { conversation: conversation.id, status: read.status, head: read.head, first_seq: firstSeq };
      conversations.push(lastSeq === undefined ? item : { ...item, last_seq: lastSeq });
    }
    this.#say(request === undefined ? { type: "synced", conversations } : { type: "synced", request, conversations });
  }

  /** Turns as in docs/protocol.md: a refused one comes next, later ones are out of turn. */
  #takeSend(frame: SendFrame): void {
    const { message_id, turn = 0 } = frame;
    try {
      if (turn > this.#nextTurn) throw new TidingsError("out-of-turn");
      const refusal = this.#server.refuseSends.shift();
      if (refusal !== undefined) {
        const { code, retryAfterMs } = refusal;
        throw new TidingsError(code, retryAfterMs === undefined ? {} : { retryAfterMs });
      }
      const before = this.#server.truth.find(frame.conversation ?? ("" as ConversationId))?.entries.length;
      const { conversation, entry } = this.#server.truth.take(frame.conversation, { message_id, text: frame.text });
      this.#nextTurn = Math.max(this.#nextTurn, turn + 1);
      const ack: AckFrame = { type: "ack", message_id, conversation: conversation.id, seq: entry.seq, at_ms: 0, turn };
      this.#say(ack);
      if (conversation.entries.length !== before) this.#server.push(conversation, "push");
    } catch (error) {
      if (!(error instanceof TidingsError)) throw error;
      // A refusal for good settles the turn; one for a while leaves it the next.
      if (!error.entry.retryable) {
        this.#nextTurn = Math.max(this.#nextTurn, turn + 1);
        this.#server.refusedForGood.add(message_id);
      }
      this.#refuse(error, { message_id, turn });
    }
  }

  #refuse(error: TidingsError, about: Pick<ErrorFrame, "message_id" | "turn" | "request">): void {
    const { code, message: detail, retryAfterMs } = error;
    const frame: ErrorFrame = { type: "error", code, detail, retryable: error.entry.retryable, ...about };
    this.#say(retryAfterMs === undefined ? frame : { ...frame, retry_after_ms: retryAfterMs });
  }

  #deliver(conversation: ModelConversation, from: number, to: number): void {
    const entries = conversation.entries.slice(from - 1, to);
    this.#say({ type: "deliver", conversation: conversation.id, from_seq: asSeq(from), entries });
  }

  #say(frame: LinkFrame): void {
    if (this.held) this.down.push(frame);
  }
}

export type { ModelLink };
