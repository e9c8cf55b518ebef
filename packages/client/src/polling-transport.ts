import {
  type CatalogueEntry,
  type ErrorFrame,
  errorCatalogue,
  type HttpAnswer,
  type HttpBody,
  limits,
  type ReadFrame,
  type SendFrame,
  type SyncedFrame,
  type SyncFrame,
  type SyncStatus,
  TidingsError,
} from "@tidings/protocol";
import { createApi, type FetchLike, type TidingsApi } from "./api.ts";
import { UnreachableError } from "./errors.ts";
import type { Hello, Link, LinkFrame, LinkListener, Transport } from "./transport.ts";
import type { ClientClock, ClientRandom } from "./types.ts";

export type PollingTransportOptions = {
  readonly url: string;
  readonly fetch: FetchLike | undefined;
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  /** `long`: the server waits for news. `short`: it answers at once, and we come back after a time. */
  readonly kind: "long" | "short";
  /** Of short polling; what the server asks for where it is undefined. */
  readonly intervalMs: number | undefined;
};

export const pollingLimits = {
  /** How long any answer may take, beyond what a poll asked the server to wait. */
  answerMsMax: 15_000,
  /** An interval is stretched or shortened by up to this part, so that many clients do not poll in step. */
  jitter: 0.1,
  /** From one long poll that brought news to the next: in a busy conversation it gathers, and does not cost a request a message. */
  longPollMsMin: 200,
  /** Polls without entries that follow each other at once; then there is a pause, whatever the server says. */
  barrenPollsMax: 3,
} as const;

/** A series of `POST /v1/sync` is one link; a request that gets no answer ends it, and the client opens another. */
export function createPollingTransport(options: PollingTransportOptions): Transport {
  return {
    sendsAhead: false,
    open(hello, listener) {
      const link = new PollingLink(options, hello, listener);
      void link.run();
      return link;
    },
  };
}

class PollingLink implements Link {
  readonly #options: PollingTransportOptions;
  readonly #hello: Hello;
  readonly #listener: LinkListener;
  readonly #api: TidingsApi;
  /** Ends each request that is under way. */
  readonly #aborts = new Set<AbortController>();
  #over = false;
  /** The first poll says at once what was missed, and with it whether we are complete. */
  #resumed = false;
  /** The sync that the next poll answers. */
  #wanted: number | undefined;
  /** Ends the pause, or the poll that waits for news. */
  #hurry: (() => void) | undefined;
  #barrenPolls = 0;
  #sentMs = 0;

  constructor(options: PollingTransportOptions, hello: Hello, listener: LinkListener) {
    this.#options = options;
    this.#hello = hello;
    this.#listener = listener;
    const { url, fetch } = options;
    this.#api = createApi(fetch === undefined ? { url, token: hello.token } : { url, token: hello.token, fetch });
  }

  /** Says hello, then polls. Resolves when the link is over. */
  async run(): Promise<void> {
    try {
      await this.#welcome();
      while (!this.#over) {
        const answer = await this.#poll();
        if (answer !== undefined && !this.#over) await this.#pause(answer);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  send(frame: SendFrame): void {
    const { conversation, to, message_id, text, mentions, metadata } = frame;
    const body: HttpBody<"sendMessage"> = { message_id, text };
    if (mentions !== undefined) body.mentions = mentions;
    if (metadata !== undefined) body.metadata = metadata;
    const taken = this.#request((signal) => {
      if (conversation !== undefined) return this.#api.call("sendMessage", { params: { conversation }, body, signal });
      if (to !== undefined) return this.#api.call("sendDirect", { params: { user_id: to }, body, signal });
      throw new TidingsError("invalid-request", { detail: "A message needs a conversation or a user to go to." });
    });
    taken.then(
      (answer) => this.#say({ type: "ack", ...answer }),
      (error: unknown) => this.#refuse(error, { message_id }),
    );
  }

  sync({ request }: SyncFrame): void {
    this.#wanted = request;
    this.#hurry?.();
  }

  read({ conversation, seq }: ReadFrame): void {
    const marked = this.#request((signal) =>
      this.#api.call("markRead", { params: { conversation }, body: { seq }, signal }),
    );
    marked.catch((error: unknown) => this.#refuse(error, { conversation }));
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#hurry?.();
    for (const abort of this.#aborts) abort.abort(new TidingsError("unavailable", { detail: "The link was closed." }));
  }

  async #welcome(): Promise<void> {
    const held = this.#hello.notified();
    const [user, { items }, { notified }] = await Promise.all([
      this.#request((signal) => this.#api.call("me", { signal })),
      this.#request((signal) => this.#api.call("conversations", { signal })),
      // Only who does not know yet where his notifications stand has to ask.
      held === undefined
        ? this.#request((signal) => this.#api.call("notifications", { query: { limit: 1 }, signal }))
        : { notified: held },
    ]);
    this.#say({ type: "welcome", user, conversations: items, heartbeat_ms: 0, notified });
  }

  /** Undefined where a sync came in between: ask anew. */
  async #poll(): Promise<PollAnswer | undefined> {
    const request = this.#wanted;
    this.#wanted = undefined;
    const waits = this.#options.kind === "long" && this.#resumed && request === undefined;
    const waitMs = waits ? limits.syncWaitMsMax : 0;
    const body: HttpBody<"sync"> = { have: this.#hello.have(), wait_ms: waitMs };
    const notified = this.#hello.notified();
    if (notified !== undefined) body.notified = notified;
    this.#sentMs = this.#options.clock.monotonicMs();
    const answer = await this.#interruptible(body, waitMs);
    if (answer === undefined || this.#over) return undefined;
    const quick = this.#options.clock.monotonicMs() - this.#sentMs < quickMsMax;
    this.#barrenPolls = quick && answer.conversations.every(isBarren) ? this.#barrenPolls + 1 : 0;
    this.#resumed = true;
    this.#tell(answer, request);
    return answer;
  }

  async #interruptible(body: HttpBody<"sync">, waitMs: number): Promise<PollAnswer | undefined> {
    try {
      return await this.#request((signal, abort) => {
        if (waitMs > 0) this.#hurry = () => abort(interruption);
        return this.#api.call("sync", { body, signal });
      }, waitMs);
    } catch (error) {
      if (error !== interruption) throw error;
      return undefined;
    } finally {
      this.#hurry = undefined;
    }
  }

  /** The answer as the frames that a socket would have brought. */
  #tell(answer: PollAnswer, request: number | undefined): void {
    for (const { conversation, state, from_seq, first_seq, last_seq, entries } of answer.conversations) {
      if (state !== undefined) this.#say({ type: "joined", state });
      if (from_seq === undefined || entries.length === 0) continue;
      const readable = last_seq === undefined ? { first_seq } : { first_seq, last_seq };
      this.#say({ type: "deliver", conversation, from_seq, entries, readable });
    }
    if (answer.notifications.length > 0) this.#say({ type: "notify", notifications: answer.notifications });
    const synced: SyncedFrame = { type: "synced", conversations: answer.conversations };
    this.#say(request === undefined ? synced : { ...synced, request });
  }

  #pause(answer: PollAnswer): Promise<void> | undefined {
    const afterMs = this.#pauseMs(answer);
    if (afterMs <= 0) return undefined;
    const { clock, random } = this.#options;
    const { jitter } = pollingLimits;
    return new Promise((resolve) => {
      const cancel = clock.after(afterMs * (1 - jitter + 2 * jitter * random.fraction()), resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
  }

  #pauseMs({ status, conversations, poll_after_ms: pollAfterMs }: PollAnswer): number {
    const { kind, intervalMs, clock } = this.#options;
    const isLong = kind === "long";
    if (this.#barrenPolls > pollingLimits.barrenPollsMax) return isLong ? pollAfterMs : (intervalMs ?? pollAfterMs);
    const more = this.#wanted !== undefined || status === "truncated" || conversations.some(isNew);
    if (more) return 0;
    if (!isLong) return intervalMs ?? pollAfterMs;
    return conversations.length === 0 ? 0 : this.#sentMs + pollingLimits.longPollMsMin - clock.monotonicMs();
  }

  /** One request with its time limit. `abort` ends it with an error of one's own. */
  async #request<T>(call: (signal: AbortSignal, abort: (error: Error) => void) => Promise<T>, waitMs = 0): Promise<T> {
    const controller = new AbortController();
    const abort = (error: Error) => controller.abort(error);
    const late = () => abort(new UnreachableError(this.#options.url, new Error("no answer in time")));
    const cancel = this.#options.clock.after(waitMs + pollingLimits.answerMsMax, late);
    this.#aborts.add(controller);
    try {
      return await call(controller.signal, abort);
    } finally {
      cancel();
      this.#aborts.delete(controller);
    }
  }

  #say(frame: LinkFrame): void {
    if (!this.#over) this.#listener.frame(frame);
  }

  /** A request of the user failed: it was refused, or the link is over. */
  #refuse(error: unknown, target: Pick<ErrorFrame, "message_id" | "conversation">): void {
    if (!(error instanceof TidingsError)) throw error;
    const { retryable, close } = entryOf(error);
    if (error instanceof UnreachableError || (close !== undefined && !retryable)) {
      this.#fail(error);
      return;
    }
    const frame: ErrorFrame = { type: "error", code: error.code, detail: error.message, retryable, ...target };
    if (error.retryAfterMs !== undefined) frame.retry_after_ms = error.retryAfterMs;
    this.#say(frame);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    // Anything else is a bug, and surfaces as one.
    if (!(error instanceof TidingsError)) throw error;
    void this.close();
    this.#listener.ended({ error, denied: !entryOf(error).retryable });
  }
}

type PollAnswer = HttpAnswer<"sync">;

const entryOf = (error: TidingsError): CatalogueEntry => errorCatalogue[error.code];
const isBarren = (item: { entries: readonly unknown[]; state?: unknown }) =>
  item.entries.length === 0 && item.state === undefined;
const isNew = ({ status }: { status: SyncStatus }) => status === "new";
/** A poll that was answered sooner did not wait for news. */
const quickMsMax = 1_000;
const interruption = new Error("A sync asks sooner.");
