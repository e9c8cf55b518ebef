import type { ChangeFeed } from "@tidings/core";
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
};

/** Everything that /metrics shows. No label has a user or a conversation in it, so there are few series however large it grows. */
export function registerMetrics(registry: Registry, sources: MetricSources): void {
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
      const { newest, consumers } = await sources.feed();
      for (const [consumer, position] of consumers) this.set({ consumer }, newest - position);
    },
  });

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
        this.set(await read());
      },
    });
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
