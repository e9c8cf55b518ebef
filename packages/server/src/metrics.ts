import type { ChangeFeed, Clock } from "@tidings/core";
import { collectDefaultMetrics, Counter, Gauge, type Registry } from "prom-client";
import type { LogWorkerGauges } from "./messaging-worker/log-worker.ts";
import type { ReceiveGauges } from "./receive-service/receive-service.ts";

export type MetricSources = {
  readonly receive: ReceiveGauges;
  readonly store?: () => { commits: number; appends: number; waiting: number };
  readonly queued: () => number;
  readonly setAside: () => number;
  /** Of a machine of a fleet. */
  readonly worker?: LogWorkerGauges;
  readonly feed: () => ReturnType<ChangeFeed["positions"]>;
  /** Engines outside of this process, each with a question that only it can answer. */
  readonly engines?: Readonly<Record<string, () => Promise<unknown>>>;
};

/**
 * What /metrics shows besides what is measured on its way (`observing/`). No label has a user or a conversation in it, so there are few
 * series however large it grows. What an engine is asked for is left out while it does not answer: the rest is wanted then more than ever.
 */
export function registerMetrics(registry: Registry, sources: MetricSources, clock: Clock): void {
  const { receive } = sources;
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  gauge("tidings_sessions", "Sessions on WebSockets.", receive.sessions);
  gauge("tidings_connections", "WebSockets, also those that have not said hello.", receive.connections);
  gauge("tidings_waiting_polls", "Long polls that wait.", receive.waitingPolls);
  gauge("tidings_local_conversations", "Conversations that sessions of this machine follow.", receive.conversations);
  gauge("tidings_delivery_queue_depth", "Deliveries that wait for a Messaging Worker.", sources.queued);
  counter("tidings_delivered_entries_total", "Entries written to sockets.", receive.deliveredEntries);
  counter("tidings_downgrades_total", "Times a slow session was given heads instead of entries.", receive.downgrades);
  counter(
    "tidings_changes_set_aside_total",
    "Changes that could not be handled; an alarm if it grows.",
    sources.setAside,
  );
  new Gauge({
    name: "tidings_feed_lag",
    help: "Changes that a consumer of the change feed is behind.",
    labelNames: ["consumer"],
    registers,
    async collect() {
      this.reset();
      const positions = await inTime(sources.feed);
      for (const [consumer, position] of positions?.consumers ?? []) {
        this.set({ consumer }, (positions?.newest ?? 0) - position);
      }
    },
  });
  counter(
    "tidings_repairs_total",
    "Times that entries were read because a push of them did not come.",
    receive.repairs,
  );
  new Counter({
    name: "tidings_admissions_refused_total",
    help: "Sessions that were told to come back later, by kind: first ones, and resumed ones.",
    labelNames: ["kind"],
    registers,
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(receive.refused())) this.inc({ kind }, count);
    },
  });
  const { engines } = sources;
  if (engines !== undefined) {
    new Gauge({
      name: "tidings_engine_up",
      help: "1 if the engine answers this machine, 0 if not.",
      labelNames: ["engine"],
      registers,
      async collect() {
        const asked = Object.entries(engines).map(async ([engine, ask]) => {
          const answer = await inTime(async () => ({ answered: await ask() }));
          this.set({ engine }, answer === undefined ? 0 : 1);
        });
        await Promise.all(asked);
      },
    });
  }

  const { store, worker } = sources;
  if (store !== undefined) {
    gauge("tidings_store_waiting_writes", "Writes that wait for the transaction under way.", () => store().waiting);
    counter("tidings_store_commits_total", "Transactions committed, each with one fsync.", () => store().commits);
    counter("tidings_store_appends_total", "Appends stored by them.", () => store().appends);
  }
  if (worker !== undefined) {
    gauge("tidings_partitions_held", "Partitions of the Message Log that this machine applies.", worker.partitionsHeld);
    gauge("tidings_log_lag", "Positions that they are behind the log's end.", worker.lag);
    counter("tidings_log_applied_total", "Requests of the log that were applied.", worker.applied);
    counter(
      "tidings_log_set_aside_total",
      "Records and requests that could not be applied; an alarm if it grows.",
      worker.setAside,
    );
  }

  function gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        const value = await inTime(async () => read());
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }

  /** Undefined where it fails, or is not there in time. */
  async function inTime<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
    const late = new AbortController();
    const nothing = clock.sleep(answerWithinMs, late.signal).then(() => undefined);
    const answer = await Promise.race([ask().catch(() => undefined), nothing]);
    late.abort();
    return answer;
  }

  function counter(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
}

/** A scrape waits for ten seconds by default, and the engines are asked side by side. */
const answerWithinMs = 2_000;
