import { type AppendOutcome, type AppendRequest, type CancelTimer, type Clock, invariant } from "@tidings/core";
import { type ConversationId, TidingsError } from "@tidings/protocol";
import { type AppendedBatch, decodeOutcome, encodeAppends } from "./append-batch.ts";
import { DatabaseThread } from "./database-thread.ts";
import type { Call, CallResult, Writes } from "./operations.ts";
import { settleCall } from "./settle-call.ts";
import type { WriterAnswer, WriterData, WriterRequest } from "./writer-thread.ts";

/** What may wait for the transaction under way to end (G8): appends and other writes together, and the text of the appends. */
export const waitingWritesMax = 20_000;
export const waitingCharactersMax = 64 * 1024 * 1024;
/** One transaction takes at most so many appends, and so much text, so that its length stays some tens of milliseconds. */
const batchAppendsMax = 4_096;
const batchCharactersMax = 8 * 1024 * 1024;
/** A position that a consumer advanced to goes with the next transaction, or alone after this time. */
const advanceDelayMs = 500;
const overloadRetryMs = 500;

/** A batch of appends that is committed, with the answer of the writer thread. */
export type Committed = {
  readonly requests: readonly AppendRequest[];
  readonly appended: AppendedBatch;
};

/**
 * The calling side of the writer thread: self-clocking group commit. While one transaction is under way, whatever
 * arrives waits; then all of it goes as one message, one transaction, one fsync, one answer. There is no timer: alone,
 * a write goes at once; under load, groups grow as long as a commit takes.
 */
export class Writer {
  readonly #clock: Clock;
  readonly #onCommitted: (committed: Committed) => void;
  #thread: DatabaseThread<WriterRequest> | undefined;
  #appends: Waiting[] = [];
  #characters = 0;
  #calls: WaitingCall[] = [];
  #advances = new Map<string, number>();
  #advancesDue = false;
  #flight: Flight | undefined;
  #departs = false;
  #cancelAdvance: CancelTimer | undefined;
  #refusal: TidingsError | undefined;
  #idle: (() => void)[] = [];
  #commits = 0;
  #appended = 0;

  private constructor(clock: Clock, onCommitted: (committed: Committed) => void) {
    this.#clock = clock;
    this.#onCommitted = onCommitted;
  }

  /** `onCommitted` hears of every batch before the promises of its appends resolve. Rejects with `unavailable`. */
  static async start(options: {
    data: WriterData;
    clock: Clock;
    onCommitted: (committed: Committed) => void;
  }): Promise<{
    writer: Writer;
    newest: number;
    consumers: ReadonlyMap<string, number>;
  }> {
    const writer = new Writer(options.clock, options.onCommitted);
    const { thread, ready } = await DatabaseThread.start<WriterRequest, WriterAnswer>({
      module: new URL("./writer-thread.ts", import.meta.url),
      data: options.data,
      youngGenerationMb: 12,
      onAnswer: (answer) => writer.#handleAnswer(answer),
      onEnd: (cause) => writer.#end(new TidingsError("unavailable", { detail: "The writer thread ended.", cause })),
    });
    invariant(ready.answer === "ready", "A thread's first answer says that it is ready.");
    writer.#thread = thread;
    return { writer, newest: ready.newest, consumers: ready.consumers };
  }

  /** Transactions that were committed, and how many appends they stored: their quotient is messages per fsync. */
  get counts(): { readonly commits: number; readonly appends: number; readonly waiting: number } {
    return { commits: this.#commits, appends: this.#appended, waiting: this.#waiting };
  }

  append(request: AppendRequest): Promise<AppendOutcome> {
    const { drafts, key } = request;
    invariant(drafts.length > 0, "An append has at least one draft.");
    invariant(
      key === undefined || (drafts.length === 1 && drafts[0]?.kind === "message"),
      "A key names exactly one message.",
    );
    let characters = 0;
    for (const { json } of drafts) characters += json.length;
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal ?? this.#overload();
      if (refusal !== undefined) return reject(refusal);
      this.#characters += characters;
      this.#appends.push({ request, characters, resolve, reject });
      this.#schedule();
    });
  }

  call<Name extends keyof Writes>(name: Name, ...values: Parameters<Writes[Name]>): Promise<ReturnType<Writes[Name]>> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal ?? this.#overload();
      if (refusal !== undefined) return reject(refusal);
      const settle = (result: CallResult) => settleCall(result, resolve as (value: unknown) => void, reject);
      this.#calls.push({ call: [name, values], settle, reject });
      this.#schedule();
    });
  }

  /** Notes how far a consumer is; what is lost by a crash comes again. */
  advance(consumer: string, position: number): void {
    if (this.#refusal !== undefined) return;
    this.#advances.set(consumer, position);
    this.#cancelAdvance ??= this.#clock.after(advanceDelayMs, () => {
      this.#advancesDue = true;
      this.#schedule();
    });
  }

  /**
   * Resolves when no transaction with one of the conversations is under way that others may see already while its
   * answer, and so its entries, are still to come.
   */
  async whenKnown(conversations: readonly ConversationId[]): Promise<void> {
    const flight = this.#flight;
    if (flight === undefined) return;
    flight.conversations ??= new Set(flight.appends.map(({ request }) => request.conversation));
    const { conversations: concerned } = flight;
    if (conversations.some((conversation) => concerned.has(conversation))) await flight.ended;
  }

  /** Takes nothing new, and resolves when everything taken is settled. */
  async drain(): Promise<void> {
    this.#refusal ??= new TidingsError("unavailable", { detail: "The database is closing." });
    if (this.#thread === undefined) return;
    this.#advancesDue = this.#advances.size > 0;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      this.#schedule();
    });
  }

  /** Rejects what waits and whatever comes. */
  refuse(): void {
    this.#refusal ??= new TidingsError("unavailable", { detail: "The database is closed." });
    this.#cancelAdvance?.();
    this.#rejectAll({ appends: [], calls: [] }, this.#refusal);
  }

  /** Refuses, lets the transaction under way end, and closes the database. */
  async stop(): Promise<void> {
    this.refuse();
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.stop();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  get #waiting(): number {
    return this.#appends.length + this.#calls.length;
  }

  #overload(): TidingsError | undefined {
    if (this.#waiting < waitingWritesMax && this.#characters < waitingCharactersMax) return undefined;
    return new TidingsError("unavailable", { detail: "Too much waits to be written.", retryAfterMs: overloadRetryMs });
  }

  get #isDue(): boolean {
    return this.#waiting > 0 || this.#advancesDue || this.#idle.length > 0;
  }

  /** Departure is at the end of this turn of the event loop: what else the turn brings goes along. */
  #schedule(): void {
    if (this.#departs || this.#flight !== undefined || !this.#isDue) return;
    this.#departs = true;
    setImmediate(() => this.#depart());
  }

  #depart(): void {
    this.#departs = false;
    if ((this.#waiting === 0 && !this.#advancesDue) || this.#thread === undefined) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const appends = this.#takeAppends();
    const calls = this.#calls;
    this.#calls = [];
    const advances = [...this.#advances].map(([consumer, position]) => ({ consumer, position }));
    this.#advances = new Map();
    this.#advancesDue = false;
    this.#cancelAdvance?.();
    this.#cancelAdvance = undefined;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#flight = { appends, calls, ended, end };
    this.#thread.post({
      appends: appends.length === 0 ? undefined : encodeAppends(appends.map(({ request }) => request)),
      calls: calls.map(({ call }) => call),
      advances,
    });
  }

  #takeAppends(): readonly Waiting[] {
    const most = Math.min(this.#appends.length, batchAppendsMax);
    let end = 0;
    let characters = 0;
    while (end < most && characters < batchCharactersMax) {
      characters += this.#appends[end]?.characters ?? 0;
      end += 1;
    }
    const taken = this.#appends.slice(0, end);
    // A list of its own for what stays: what was taken must not be held for as long as a backlog lasts (G8).
    this.#appends = this.#appends.slice(end);
    this.#characters -= characters;
    return taken;
  }

  #handleAnswer(answer: WriterAnswer): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    this.#flight = undefined;
    flight.end();
    if (answer.answer === "committed") this.#settle(flight, answer);
    else if (answer.answer === "failed") this.#fail(flight, answer.failure);
    this.#schedule();
  }

  #settle({ appends, calls }: Taken, { appended, results }: WriterAnswer & { answer: "committed" }): void {
    this.#commits += 1;
    if (appended !== undefined) {
      this.#onCommitted({ requests: appends.map(({ request }) => request), appended });
      for (const [index, { resolve }] of appends.entries()) {
        const outcome = decodeOutcome(appended, index);
        if (outcome.outcome === "appended") this.#appended += 1;
        resolve(outcome);
      }
    }
    for (const [index, { settle }] of calls.entries()) settle(results[index] ?? { fault: "A call has no result." });
  }

  /**
   * A transaction failed. What waits is rejected with it: a later message of a sender must not be stored where an
   * earlier one was not (G4).
   */
  #fail(flight: Taken, { sentence, fatal }: { sentence: string; fatal: boolean }): void {
    const error = new TidingsError("unavailable", { detail: sentence });
    if (fatal) this.#refusal ??= error;
    this.#rejectAll(flight, error);
  }

  /** The thread is gone: what it was given will have no answer, and nothing more can be given. */
  #end(error: TidingsError): void {
    this.#refusal ??= error;
    const flight = this.#flight ?? { appends: [], calls: [] };
    this.#flight?.end();
    this.#flight = undefined;
    this.#rejectAll(flight, this.#refusal);
    this.#schedule();
  }

  #rejectAll(flight: Taken, error: TidingsError): void {
    const rejected = [...flight.appends, ...flight.calls, ...this.#appends, ...this.#calls];
    this.#appends = [];
    this.#characters = 0;
    this.#calls = [];
    for (const { reject } of rejected) reject(error);
  }
}

type Waiting = {
  readonly request: AppendRequest;
  readonly characters: number;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: Error) => void;
};
type WaitingCall = {
  readonly call: Call<Writes>;
  readonly settle: (result: CallResult) => void;
  readonly reject: (error: Error) => void;
};
type Taken = { readonly appends: readonly Waiting[]; readonly calls: readonly WaitingCall[] };
/** The transaction under way. */
type Flight = Taken & {
  readonly ended: Promise<void>;
  readonly end: () => void;
  /** Of its appends; made when somebody asks. */
  conversations?: ReadonlySet<ConversationId>;
};
