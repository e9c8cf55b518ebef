import type { ClientEvent } from "@tidings/client";
import type { MachineMessage } from "@tidings/core";
import type { MachineId, MessageId, Seq } from "@tidings/protocol";
import type { ClientWatcher, IssuedSend, SimClient } from "../clients/sim-client.ts";
import type { Engines } from "../engines/engine-server.ts";
import type { EngineServers } from "../engines/remote-ports.ts";
import type { Timeline } from "../kernel/timeline.ts";
import { Deliveries } from "./deliveries.ts";
import { observeLeases, observeStore } from "./observe-engines.ts";
import { Truth } from "./truth.ts";

/** A promise that was broken, and when. */
export type Violation = { readonly promise: string; readonly atMs: number; readonly sentence: string };

/** Looks on throughout: what clients were told and given, and what the engines answered, against what is stored. */
export class Watch implements ClientWatcher {
  readonly truth = new Truth();
  readonly violations: Violation[] = [];
  readonly sends = new Map<MessageId, IssuedSend>();
  readonly deliveries: Deliveries;
  readonly #timeline: Timeline;
  readonly #eventListeners = new Set<(client: SimClient, event: ClientEvent) => void>();
  /** Hears of what is sent to machines. */
  onSent: ((machine: MachineId, message: MachineMessage) => void) | undefined;
  staleRefusals = 0;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    this.deliveries = new Deliveries(this.truth, (promise, sentence) => this.report(promise, sentence));
  }

  report(promise: string, sentence: string): void {
    if (this.violations.length >= violationsMax) return;
    this.violations.push({ promise, atMs: this.#timeline.nowMs, sentence });
  }

  /** Something threw that nobody awaited: a defect, whatever it is. */
  failed(error: unknown): void {
    this.report("whole", error instanceof Error ? `${error.stack ?? error.message}` : String(error));
  }

  observe(engines: Engines, servers: () => EngineServers): Engines {
    const about = {
      truth: this.truth,
      sends: this.sends,
      nowMs: () => this.#timeline.nowMs,
      report: (promise: string, sentence: string) => this.report(promise, sentence),
      refusedStale: () => {
        this.staleRefusals += 1;
      },
    };
    if ("image" in engines) return observeStore(engines, { ...about, isReplaying: () => servers().store.isReplaying });
    if ("leases" in engines)
      return observeLeases(engines, { ...about, isReplaying: () => servers().leases.isReplaying });
    return engines;
  }

  sent(machine: MachineId, message: MachineMessage): void {
    this.onSent?.(machine, message);
  }

  on(listener: (client: SimClient, event: ClientEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  issued(send: IssuedSend): void {
    this.sends.set(send.messageId, send);
  }

  acked(send: IssuedSend, seq: Seq | undefined): void {
    this.#timeline.trace(send.index ^ ((seq ?? 0) << 8));
    if (seq === undefined) return;
    send.seqs.add(seq);
    if (send.seqs.size > 1) {
      this.report("G2", `${send.messageId} was acknowledged as ${[...send.seqs].join(" and as ")}.`);
    }
    const there = this.truth.entry(send.conversation, seq)?.entry;
    if (there?.kind !== "message" || there.message_id !== send.messageId) {
      this.report("G2", `${send.messageId} was acknowledged as ${seq} of ${send.conversation}, and is not there.`);
    }
  }

  connecting(client: SimClient): void {
    this.deliveries.connecting(client);
  }

  event(client: SimClient, event: ClientEvent): void {
    if (event.type === "entries") this.#timeline.trace(event.from_seq * 31 + event.entries.length);
    this.deliveries.event(client, event);
    for (const listener of this.#eventListeners) listener(client, event);
  }
}

/** Of one run: what is broken is broken again and again. */
const violationsMax = 20;
