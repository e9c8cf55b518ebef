import { Worker } from "node:worker_threads";
import { TidingsError } from "@tidings/protocol";

type Refusal = { readonly answer: "refused"; readonly sentence: string };

/** A worker thread with one database connection, from its start to its end. It answers each request once, in order. */
export class DatabaseThread<Request> {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
  }

  /**
   * Starts the thread of a module and waits until it has its database open. Rejects with `unavailable`, whose
   * detail says why, if it refuses. What a thread makes is sent away at once, so nearly all of it is young garbage, of which V8 would
   * let 48 MB pile up: `youngGenerationMb` says how much instead. `onEnd` hears if the thread ends by a fault.
   */
  static async start<Request, Answer extends { readonly answer: string }>(options: {
    module: URL;
    data: object;
    youngGenerationMb: number;
    onAnswer: (answer: Answer) => void;
    onEnd: (cause: unknown) => void;
  }): Promise<{ thread: DatabaseThread<Request>; ready: Answer }> {
    const worker = new Worker(options.module, {
      workerData: options.data,
      resourceLimits: { maxYoungGenerationSizeMb: options.youngGenerationMb },
    });
    const thread = new DatabaseThread<Request>(worker);
    const first = await new Promise<Answer | Refusal>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", (cause) => {
        reject(new TidingsError("unavailable", { detail: "The database's thread did not start.", cause }));
      });
    });
    if (first.answer === "refused") {
      await thread.stop();
      throw new TidingsError("unavailable", { detail: (first as Refusal).sentence });
    }
    worker.on("message", options.onAnswer);
    worker.on("error", options.onEnd);
    return { thread, ready: first as Answer };
  }

  post(request: Request): void {
    this.#worker.postMessage(request);
  }

  /** Lets the thread finish what it has, close its database and end. */
  async stop(): Promise<void> {
    this.#worker.postMessage("stop");
    await this.#exited;
  }
}
