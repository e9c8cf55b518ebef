import { TidingsError } from "@tidings/protocol";
import {
  type AppendOutcome,
  type Clock,
  type Delivery,
  type FleetEngines,
  type LoggedRequest,
  StaleEpochError,
  WrongPositionError,
} from "@tidings/core";
import type { Logger } from "pino";
import { appliedRanges } from "./applied-ranges.ts";
import { type RecordBatch, toBatches } from "./log-batches.ts";

export type PartitionHolderOptions = {
  readonly partition: number;
  readonly epoch: number;
  readonly fleet: Pick<FleetEngines, "log" | "image">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly counts: WorkerCounts;
  /** Told of a batch while it is stored: whatever its pushes need may be read meanwhile. They wait for it; it does not reject. */
  readonly prepare?: (requests: readonly LoggedRequest[]) => Promise<void>;
  /** Told of what was stored, range by range, in order. What it fails in is repaired by heads. */
  readonly push: (delivery: Delivery) => Promise<void>;
  /** Told of a request that the database refuses for good, in a batch that ends at `position`. */
  readonly setAside?: (request: LoggedRequest, position: number) => void;
  /** Told that a batch was stored though nobody answered: what it held was not pushed, and changed who is a member where. */
  readonly passedOver: () => void;
};

export type WorkerCounts = {
  /** Requests applied. */
  applied: number;
  /** Records and requests that could not be applied: an alarm if it is not 0. */
  setAside: number;
};

/**
 * Applies one partition of the Message Log to the Messaging DB, strictly in the order of the log, for as long as it holds the
 * partition's lease (design, 4.2):
 *
 *     take over ─▶ read from the stored position ─▶ apply a batch ─▶ push what is new ─▶ next batch
 *         ▲                                              │ unavailable, wrong position
 *         └──────────────── back off ◀───────────────────┘       StaleEpochError: it is somebody else's
 *
 * Neither a crash nor a database of which nobody knows whether it committed loses or doubles anything: position and entries
 * are one transaction, and a new taking over tells where to go on.
 */
export class PartitionHolder {
  readonly partition: number;
  readonly #options: PartitionHolderOptions;
  readonly #ending = new AbortController();
  #position: number | undefined;
  #ended: Promise<"drained" | "stale"> | undefined;

  constructor(options: PartitionHolderOptions) {
    this.partition = options.partition;
    this.#options = options;
  }

  /** How far the partition is applied; undefined until it was taken over. */
  get position(): number | undefined {
    return this.#position;
  }

  /** Resolves with `stale` when somebody else has the partition, with `drained` after `drain`. */
  run(): Promise<"drained" | "stale"> {
    this.#ended ??= this.#follow();
    return this.#ended;
  }

  /** Finishes the batch under way. */
  async drain(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }

  /** Begins no further batch. */
  stop(): void {
    this.#ending.abort();
  }

  async #follow(): Promise<"drained" | "stale"> {
    const { partition, epoch, fleet, clock, log } = this.#options;
    const { signal } = this.#ending;
    let backOffMs = backOffMsMin;
    while (!signal.aborted) {
      try {
        const { position } = await fleet.image.takeOver(partition, epoch);
        if (this.#position !== undefined && position !== this.#position) this.#options.passedOver();
        this.#position = position;
        for await (const records of fleet.log.read(partition, this.#position, signal)) {
          for (const batch of toBatches(records)) {
            if (signal.aborted) break;
            await this.#apply(batch);
            backOffMs = backOffMsMin;
          }
        }
      } catch (error) {
        if (error instanceof StaleEpochError) {
          log.info({ partition, epoch }, "The partition is somebody else's now.");
          return "stale";
        }
        if (signal.aborted) break;
        log.warn({ err: error, partition }, "A partition could not be applied; it is tried again.");
      }
      await clock.sleep(backOffMs, signal);
      backOffMs = Math.min(backOffMs * 2, backOffMsMax);
    }
    return "drained";
  }

  async #apply(batch: RecordBatch): Promise<void> {
    const { partition, counts, log, push, prepare } = this.#options;
    const prepared = prepare?.(batch.requests);
    let stored: Stored;
    try {
      stored = await this.#store(batch);
    } finally {
      // Also where it fails: what is read for a batch that another one stored is forgotten afterwards, not before.
      await prepared;
    }
    const { requests, outcomes } = stored;
    this.#position = batch.toPosition;
    counts.applied += requests.length;
    for (const position of batch.unreadable) {
      counts.setAside += 1;
      log.error({ partition, position }, "A record that cannot be read was set aside.");
    }
    await Promise.all(
      appliedRanges(requests, outcomes).map((delivery) =>
        push(delivery).catch((error: unknown) => {
          log.warn({ err: error, conversation: delivery.conversation }, "What is stored could not be pushed.");
        }),
      ),
    );
  }

  async #store(batch: RecordBatch): Promise<Stored> {
    const { requests, toPosition } = batch;
    try {
      return { requests, outcomes: await this.#write(requests, toPosition) };
    } catch (error) {
      if (isPassing(error)) throw error;
      return await this.#storeEach(batch, error);
    }
  }

  /**
   * The database refuses something in the batch for good. Request by request, so that those beside it are not lost; the position moves
   * when all are through. After a crash on the way the batch begins anew, and finds what is stored as duplicates.
   */
  async #storeEach({ requests, toPosition }: RecordBatch, reason: unknown): Promise<Stored> {
    const { partition, counts, log, setAside } = this.#options;
    // A database that refuses even nothing is not refusing a request.
    await this.#write([], this.#position ?? 0);
    const stored: LoggedRequest[] = [];
    const outcomes: AppendOutcome[] = [];
    for (const request of requests) {
      try {
        outcomes.push(...(await this.#write([request], this.#position ?? 0)));
        stored.push(request);
      } catch (error) {
        if (isPassing(error)) throw error;
        counts.setAside += 1;
        setAside?.(request, toPosition);
        const { conversation, key } = request;
        log.error({ err: error, reason, partition, toPosition, conversation, ...key }, "A request was set aside.");
      }
    }
    await this.#write([], toPosition);
    return { requests: stored, outcomes };
  }

  #write(requests: readonly LoggedRequest[], toPosition: number): Promise<readonly AppendOutcome[]> {
    const { partition, epoch, fleet } = this.#options;
    return fleet.image.apply({ partition, epoch, afterPosition: this.#position ?? 0, toPosition, requests });
  }
}

type Stored = { readonly requests: readonly LoggedRequest[]; readonly outcomes: readonly AppendOutcome[] };

/** Not the request's fault: it is applied after a new taking over, or by somebody else. */
function isPassing(error: unknown): boolean {
  if (error instanceof StaleEpochError || error instanceof WrongPositionError) return true;
  return error instanceof TidingsError && error.entry.retryable && error.code !== "internal";
}

const backOffMsMin = 50;
const backOffMsMax = 2_000;
