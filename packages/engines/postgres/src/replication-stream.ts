import type { CancelTimer, Change, Clock } from "@tidings/core";
import { asConversationId, asSeq } from "@tidings/protocol";
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from "pg-logical-replication";
import { connectionSettings } from "./database.ts";
import { lsnOf, positionOf } from "./feed-positions.ts";
import { plainMark } from "./schema.ts";

/** Changes of one batch, as the port says, if they are not of one commit. */
const batchMax = 1_000;
/** The server ends a connection from which it heard nothing for a minute by default. */
const statusMs = 10_000;

/** What was committed behind a slot's position, as PostgreSQL decodes it from its log. */
export class ReplicationStream {
  readonly #clock: Clock;
  readonly #service: LogicalReplicationService;
  readonly #plugin: ChangesPlugin;
  #done: number;
  #given: number;
  #failure: unknown;
  #hasEnded = false;
  #waiting: (() => void)[] = [];
  #cancelStatus: CancelTimer | undefined;
  #started: Promise<void> = Promise.resolve();

  /** `done` is where the consumer is; it moves on by itself over what holds nothing for him. */
  constructor(options: { url: string; clock: Clock; done: number }) {
    this.#clock = options.clock;
    this.#done = options.done;
    this.#given = options.done;
    this.#plugin = new ChangesPlugin();
    this.#service = new LogicalReplicationService(
      // Nobody waits for an answer here: the statement runs as long as the stream.
      { ...connectionSettings(options.url), query_timeout: 0, options: "-c statement_timeout=0" },
      // What was received is not what the consumer is done with, so nothing is confirmed by itself.
      { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: true } },
    );
    this.#service.on("error", (error) => this.#end(error));
    // biome-ignore lint/nursery/noMisusedPromises: with flow control the driver waits for the promise, and reads nothing meanwhile.
    this.#service.on("data", () => this.#handleData());
    this.#service.on("heartbeat", (lsn, _at, isAsked) => this.#handleHeartbeat(positionOf(lsn), isAsked));
  }

  get done(): number {
    return this.#done;
  }

  /** Begins to read; whatever goes wrong comes out of `take`. */
  start(slotName: string): void {
    const streaming = this.#service.subscribe(this.#plugin, slotName, lsnOf(this.#done)).then(
      () => this.#end(new Error("The replication stream has ended.")),
      (error: unknown) => this.#end(error),
    );
    const beginning = new Promise<void>((resolve) => this.#service.on("start", resolve));
    this.#started = Promise.race([beginning, streaming]);
    this.#keepAlive();
  }

  /** Some commits, at least one. Undefined if the signal aborts first; rejects when the stream is broken. */
  async take(signal: AbortSignal): Promise<DecodedCommits | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const batch = this.#plugin.take();
      if (batch !== undefined) {
        this.#given = batch.position;
        this.#wake();
        return batch;
      }
      if (this.#hasEnded) throw this.#failure;
      await this.#news(signal);
    }
  }

  /** The consumer is done with everything up to here. */
  advance(position: number): void {
    if (position <= this.#done) return;
    this.#done = position;
    this.#confirm();
  }

  async stop(): Promise<void> {
    this.#cancelStatus?.();
    this.#hasEnded = true;
    this.#wake();
    // Ended while it begins, the driver would lose sight of its connection.
    await this.#started;
    // Of a connection that is lost there is nothing left to end.
    await this.#service.stop().catch(() => undefined);
  }

  /** The driver reads on when this resolves: not before the consumer has taken what there is. */
  async #handleData(): Promise<void> {
    this.#wake();
    while (this.#plugin.isFull && !this.#hasEnded) await this.#news();
  }

  #handleHeartbeat(position: number, isAsked: boolean): void {
    // Nothing up to here is left for the consumer, so the server need not keep its log for him.
    if (this.#plugin.isEmpty && this.#given <= this.#done && position > this.#done) {
      this.#done = position;
      this.#confirm();
    } else if (isAsked) this.#confirm();
  }

  #confirm(): void {
    // The driver confirms the byte behind the one that it is told.
    if (this.#done > 0) void this.#service.acknowledge(lsnOf(this.#done - 1));
  }

  #keepAlive(): void {
    this.#cancelStatus = this.#clock.after(statusMs, () => {
      this.#confirm();
      this.#keepAlive();
    });
  }

  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#failure = error;
    this.#wake();
  }

  #news(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.push(wake);
      signal?.addEventListener("abort", wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Changes with the position of the last of them, and the transactions that they are of. */
export type DecodedCommits = {
  readonly position: number;
  readonly changes: readonly Change[];
  readonly transactions: readonly number[];
};

type Commit = { readonly position: number; readonly changes: readonly Change[]; readonly transaction: number };

/**
 * Collects the messages that store_batches wrote, commit by commit. It does so while the driver parses, and not when the driver hands
 * them on, which may be later than a heartbeat that came behind them.
 */
class ChangesPlugin extends PgoutputPlugin {
  #commits: Commit[] = [];
  #count = 0;
  #contents: string[] | undefined;
  #transaction = 0;

  constructor() {
    super({ protoVersion: 1, publicationNames: ["tidings"], messages: true });
  }

  get isEmpty(): boolean {
    return this.#commits.length === 0 && this.#contents === undefined;
  }

  get isFull(): boolean {
    return this.#count >= batchMax;
  }

  override parse(buffer: Buffer): Pgoutput.Message {
    const message = super.parse(buffer);
    if (message.tag === "begin") {
      this.#contents = [];
      // 32 bits without a sign, which the driver reads with one.
      this.#transaction = message.xid >>> 0;
    }
    if (message.tag === "message" && message.prefix === "tidings") {
      this.#contents?.push(Buffer.from(message.content).toString("utf8"));
    }
    if (message.tag === "commit") this.#commit(positionOf(message.commitEndLsn ?? message.commitLsn ?? ""));
    return message;
  }

  take(): DecodedCommits | undefined {
    let position: number | undefined;
    const changes: Change[] = [];
    const transactions: number[] = [];
    let commit = this.#commits[0];
    let taken = 0;
    while (commit !== undefined && (taken === 0 || changes.length + commit.changes.length <= batchMax)) {
      changes.push(...commit.changes);
      transactions.push(commit.transaction);
      position = commit.position;
      taken += 1;
      commit = this.#commits[taken];
    }
    this.#commits.splice(0, taken);
    this.#count -= changes.length;
    return position === undefined ? undefined : { position, changes, transactions };
  }

  #commit(position: number): void {
    const changes = (this.#contents ?? []).flatMap((content) => decodeChanges(content, position));
    this.#contents = undefined;
    if (changes.length === 0) return;
    this.#commits.push({ position, changes, transaction: this.#transaction });
    this.#count += changes.length;
  }
}

/** As batch-storage.ts wrote them. */
function decodeChanges(content: string, position: number): readonly Change[] {
  return content.split("\n").map((line) => {
    const [conversation = "", fromSeq, toSeq, mark] = line.split(" ");
    return {
      position,
      conversation: asConversationId(conversation),
      fromSeq: asSeq(Number(fromSeq)),
      toSeq: asSeq(Number(toSeq)),
      ...(mark === plainMark && { isPlain: true }),
    };
  });
}
