import { TidingsError } from "@tidings/protocol";
import { DatabaseThread } from "./database-thread.ts";
import type { Call, CallResult, Reads } from "./operations.ts";
import type { ReaderAnswer, ReaderData, ReaderRequest } from "./reader-thread.ts";
import { settleCall } from "./settle-call.ts";

/** Calls that may wait for the reader thread (G8). */
export const waitingReadsMax = 20_000;
/** Calls of one request to the thread: others behind them wait for all of them. */
const batchCallsMax = 256;
const overloadRetryMs = 500;

/** The calling side of the reader thread. While one request is under way, further calls wait and go together. */
export class Reader {
  #thread: DatabaseThread<ReaderRequest> | undefined;
  #waiting: Waiting[] = [];
  #flight: readonly Waiting[] | undefined;
  #departs = false;
  #refusal: TidingsError | undefined;

  static async start(data: ReaderData): Promise<Reader> {
    const reader = new Reader();
    const { thread } = await DatabaseThread.start<ReaderRequest, ReaderAnswer>({
      module: new URL("./reader-thread.ts", import.meta.url),
      data,
      youngGenerationMb: 3,
      onAnswer: (answer) => reader.#handleAnswer(answer),
      onEnd: (cause) => reader.#refuse(new TidingsError("unavailable", { detail: "The reader thread ended.", cause })),
    });
    reader.#thread = thread;
    return reader;
  }

  /** Rejects with `unavailable`. The answer is at least as new as the call. */
  call<Name extends keyof Reads>(name: Name, ...values: Parameters<Reads[Name]>): Promise<ReturnType<Reads[Name]>> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal ?? this.#overload();
      if (refusal !== undefined) return reject(refusal);
      const settle = (result: CallResult) => settleCall(result, resolve as (value: unknown) => void, reject);
      this.#waiting.push({ call: [name, values], settle, reject });
      this.#schedule();
    });
  }

  async stop(): Promise<void> {
    this.#refuse(new TidingsError("unavailable", { detail: "The database is closed." }));
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.stop();
  }

  #overload(): TidingsError | undefined {
    if (this.#waiting.length < waitingReadsMax) return undefined;
    return new TidingsError("unavailable", { detail: "Too many reads wait.", retryAfterMs: overloadRetryMs });
  }

  #schedule(): void {
    if (this.#departs || this.#flight !== undefined || this.#waiting.length === 0) return;
    this.#departs = true;
    queueMicrotask(() => this.#depart());
  }

  #depart(): void {
    this.#departs = false;
    if (this.#thread === undefined || this.#waiting.length === 0) return;
    this.#flight = this.#waiting.slice(0, batchCallsMax);
    this.#waiting = this.#waiting.slice(batchCallsMax);
    this.#thread.post(this.#flight.map(({ call }) => call));
  }

  #handleAnswer(answer: ReaderAnswer): void {
    const flight = this.#flight;
    if (flight === undefined || answer.answer !== "results") return;
    this.#flight = undefined;
    for (const [index, { settle }] of flight.entries()) {
      settle(answer.results[index] ?? { fault: "A call has no result." });
    }
    this.#schedule();
  }

  #refuse(error: TidingsError): void {
    this.#refusal ??= error;
    const rejected = [...(this.#flight ?? []), ...this.#waiting];
    this.#flight = undefined;
    this.#waiting = [];
    for (const { reject } of rejected) reject(this.#refusal);
  }
}

type Waiting = {
  readonly call: Call<Reads>;
  readonly settle: (result: CallResult) => void;
  readonly reject: (error: Error) => void;
};
