import type { Clock, DeliveryQueue, Random } from "@tidings/core";
import type { MachineId } from "@tidings/protocol";
import type { Logger } from "pino";
import { composeFleetMachine } from "../compose-fleet.ts";
import {
  type BrokerEngine,
  type DatabaseEngine,
  fleetEnginesOf,
  type FleetOpeners,
  type OpenedEngine,
  type Opener,
} from "../fleet-openers.ts";
import { notifierName } from "../notifier/notifier.ts";
import type { Tracing } from "../observing/tracing.ts";
import type { Tidings } from "../serving.ts";
import type { Settings } from "../settings.ts";
import { openWithBackOff } from "./open-with-back-off.ts";
import type { Served } from "./served.ts";
import { openWaitingDoor } from "./waiting-door.ts";

/**
 * A machine of a fleet from its start to its end:
 *
 *     wait for the engines ─▶ compose ─▶ serve ─▶ drain: sessions away, log empty ─▶ broker ─▶ databases
 *     /healthz yes, /readyz no           both yes         /readyz no
 */
export function serveFleetMachine(options: {
  readonly openers: FleetOpeners;
  readonly machine: MachineId;
  /** Of no use in the log pipeline, but a part of `Links`. */
  readonly deliveries: DeliveryQueue;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly tracing?: Tracing;
}): Served {
  const { openers, settings, clock, random, log } = options;
  const ending = new AbortController();
  const waitingFor = new Set<string>();
  let databases: DatabaseEngine | undefined;
  let broker: BrokerEngine | undefined;
  let tidings: Tidings | undefined;
  let started: Promise<{ url: string } | undefined> | undefined;

  async function start(): Promise<{ url: string } | undefined> {
    const { host, port } = settings;
    waitingFor.add(openers.databases.name).add(openers.broker.name);
    const door = await openWaitingDoor({ host, port, waitingFor: () => [...waitingFor] });
    try {
      [databases, broker] = await Promise.all([open(openers.databases), open(openers.broker)]);
      if (databases === undefined || broker === undefined) return undefined;
      const { machines, connections, ask } = broker;
      const opened = databases;
      if (settings.roles.includes("worker")) await keepForNotifier(opened);
      const composed = await composeFleetMachine({
        ...options,
        // The waiting door took one if any free one was asked for; the machine stays where it is known by now.
        settings: { ...settings, port: door.port },
        stores: opened.stores,
        storeCounts: () => opened.stats,
        links: { deliveries: options.deliveries, machines, connections },
        fleet: fleetEnginesOf(opened, broker),
        ...(ask !== undefined && { inquiry: ask }),
      });
      if (ending.signal.aborted) return undefined;
      tidings = composed;
    } finally {
      await door.close();
    }
    return await tidings.start();
  }

  async function open<Engine extends OpenedEngine>(opener: Opener<Engine>): Promise<Engine | undefined> {
    const retryMsMax = settings.engineRetryMsMax;
    const engine = await openWithBackOff(opener, { clock, random, log, retryMsMax, signal: ending.signal });
    waitingFor.delete(opener.name);
    return engine;
  }

  /**
   * The feed keeps what no notifier has seen from now on, before anything is applied: whichever worker runs one first. Another worker
   * that makes itself known at the same time takes a moment.
   */
  async function keepForNotifier({ stores }: DatabaseEngine): Promise<void> {
    const untilMs = clock.monotonicMs() + feedMsMax;
    while (!ending.signal.aborted) {
      try {
        await stores.feed.advance(notifierName, 0);
        return;
      } catch (error) {
        if (clock.monotonicMs() > untilMs) {
          const trouble = "The change feed cannot be followed yet: nobody is notified of what comes before it can be.";
          log.warn({ err: error }, trouble);
          return;
        }
      }
      await clock.sleep(feedRetryMs, ending.signal);
    }
  }

  /** An engine that is gone in that moment must not keep the process alive. */
  const noteLeft = (engine: string) => (error: unknown) => {
    log.warn({ err: error, engine }, "An engine was left before it had answered.");
  };

  /** An end that comes while it starts waits for the start to notice. Why a start failed is told by its own promise. */
  async function startIsOver(): Promise<void> {
    ending.abort();
    await started?.catch(() => undefined);
  }

  return {
    start() {
      started ??= start();
      return started;
    },
    async drain() {
      await startIsOver();
      await tidings?.drain();
      // The machine has given back its leases and its rows by now; nothing needs the broker any more, and then the databases.
      await broker?.drain().catch(noteLeft(openers.broker.name));
      await databases?.drain().catch(noteLeft(openers.databases.name));
      await Promise.all([broker?.stop(), databases?.stop()]);
    },
    async stop() {
      await startIsOver();
      await tidings?.stop();
      await Promise.all([broker?.stop(), databases?.stop()]);
    },
  };
}

/** A database without a feed (`wal_level`) is served all the same. */
const feedMsMax = 15_000;
const feedRetryMs = 200;
