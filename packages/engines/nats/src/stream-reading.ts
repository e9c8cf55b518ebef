import { type Msg, type MsgHdrs, nanos, type Subscription, createInbox } from "@nats-io/nats-core";
import { IdleHeartbeatMonitor } from "@nats-io/nats-core/internal";
import { AckPolicy, type ConsumerInfo, DeliverPolicy } from "@nats-io/jetstream";
import { recordsAtOnceMax } from "@tidings/core";
import { consumerKeptMs, heartbeatMs, pullBytesMax, pullMs } from "./limits.ts";
import type { Nats } from "./nats.ts";

export type StreamMessage = {
  readonly subject: string;
  readonly sequence: number;
  /** How many the consumer had left behind this one when it was sent. */
  readonly pending: number;
  readonly payload: Uint8Array;
};

export type StreamReadingOptions = {
  readonly stream: string;
  readonly filter: string;
  /** Behind a sequence, or the last message of every subject and then what comes. */
  readonly from: { readonly after: number } | "last-of-each";
};

/**
 * One consumer on the server, as long as it lives: whatever may have lost a message (the connection, the server that the
 * consumer is at, a heartbeat, a number of a delivery) ends it, and who reads begins another one behind the last message that he
 * took. Each pull asks for one batch, and the next one goes out when the reader has taken all of the one before: so at most
 * one batch is here that nobody took. While a pull waits, the server sends what comes at once.
 */
export class StreamReading {
  readonly #nats: Nats;
  readonly #options: StreamReadingOptions;
  readonly #subscription: Subscription;
  readonly #monitor: IdleHeartbeatMonitor;
  readonly #forgetLoss: () => void;
  readonly #inbox = createInbox();
  readonly #info: ConsumerInfo;
  #messages: StreamMessage[] = [];
  #expected = 1;
  /** Messages that the pull under way may still bring; 0 if none is. */
  #asked = 0;
  #lost: Error | undefined;
  #wake: (() => void) | undefined;

  static async open(nats: Nats, options: StreamReadingOptions): Promise<StreamReading> {
    await nats.connected();
    const { stream, filter, from } = options;
    const info = await nats.jsm.consumers.add(stream, {
      name: `r-${nats.random.unguessable(16)}`,
      ack_policy: AckPolicy.None,
      ...(from === "last-of-each"
        ? { deliver_policy: DeliverPolicy.LastPerSubject }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from.after + 1 }),
      filter_subject: filter,
      inactive_threshold: nanos(consumerKeptMs),
      max_waiting: 4,
      num_replicas: 1,
      mem_storage: true,
    });
    return new StreamReading(nats, options, info);
  }

  private constructor(nats: Nats, options: StreamReadingOptions, info: ConsumerInfo) {
    this.#nats = nats;
    this.#options = options;
    this.#info = info;
    this.#subscription = nats.connection.subscribe(this.#inbox, {
      callback: (error, message) => (error === null ? this.#take(message) : this.#lose(error)),
    });
    this.#monitor = new IdleHeartbeatMonitor(heartbeatMs, () => {
      // Only a pull that waits is answered with heartbeats.
      if (this.#asked === 0) return false;
      this.#lose(new Error("A consumer of NATS is silent."));
      return true;
    });
    this.#forgetLoss = nats.onLoss(() => this.#lose(new Error("The connection to NATS was lost.")));
  }

  /** How many messages there were when it began. */
  get pendingAtBegin(): number {
    return this.#info.num_pending;
  }

  /** The next batch, in order; empty if the signal aborts. Rejects when this reading has ended. */
  async next(signal: AbortSignal): Promise<readonly StreamMessage[]> {
    while (!signal.aborted) {
      if (this.#messages.length > 0) {
        const batch = this.#messages;
        this.#messages = [];
        this.#pull();
        return batch;
      }
      if (this.#lost !== undefined) throw this.#lost;
      this.#pull();
      await this.#news(signal);
    }
    return [];
  }

  close(): void {
    this.#forgetLoss();
    this.#monitor.cancel();
    this.#subscription.unsubscribe();
    const { stream } = this.#options;
    // The server forgets it by itself where this does not arrive.
    if (this.#nats.isConnected) this.#nats.jsm.consumers.delete(stream, this.#info.name).catch(() => undefined);
  }

  #pull(): void {
    if (this.#asked > 0 || this.#lost !== undefined || !this.#nats.isConnected) return;
    this.#asked = recordsAtOnceMax;
    this.#monitor.work();
    const pull = {
      batch: recordsAtOnceMax,
      max_bytes: pullBytesMax,
      expires: nanos(pullMs),
      idle_heartbeat: nanos(heartbeatMs),
    };
    try {
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${this.#info.name}`;
      this.#nats.connection.publish(subject, JSON.stringify(pull), { reply: this.#inbox });
    } catch (error) {
      this.#lose(error as Error);
    }
  }

  #take(message: Msg): void {
    this.#monitor.work();
    if (message.headers !== undefined && message.headers.code > 0 && message.subject === this.#inbox) {
      this.#takeStatus(message.headers);
      return;
    }
    const { streamSequence, deliverySequence, pending } = deliveryOf(message.reply ?? "");
    if (deliverySequence !== this.#expected) {
      this.#lose(new Error("A message of NATS did not arrive."));
      return;
    }
    this.#expected += 1;
    this.#asked -= 1;
    this.#messages.push({ subject: message.subject, sequence: streamSequence, pending, payload: message.data });
    this.#wake?.();
  }

  #takeStatus({ code, description }: MsgHdrs): void {
    if (code === 100) return;
    // The pull has ended: its time is over (408), or the next message has no room in it (409). A consumer that is gone says 409, too.
    const isOver = code === 404 || code === 408 || /exceeds maxbytes|batch completed/i.test(description);
    this.#asked = 0;
    if (isOver) this.#wake?.();
    else this.#lose(new Error(`A consumer of NATS ended: ${code} ${description}`));
  }

  #lose(error: Error): void {
    this.#lost ??= error;
    this.#wake?.();
  }

  #news(signal: AbortSignal): Promise<void> {
    if (this.#messages.length > 0 || this.#lost !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener("abort", wake);
    });
  }
}

/** What the server tells of a message in the subject for its answer: `$JS.ACK.….<deliveries>.<stream>.<delivery>.<time>.<pending>`. */
function deliveryOf(reply: string): { streamSequence: number; deliverySequence: number; pending: number } {
  const tokens = reply.split(".");
  // With a domain and an account's hash there are two more before, and some servers add one behind.
  const begin = tokens.length === 9 ? 4 : 6;
  const [, stream, delivery, , pending] = tokens.slice(begin);
  return { streamSequence: Number(stream), deliverySequence: Number(delivery), pending: Number(pending) };
}
