import type { ConnectionDirectory, Inquiry, Leases, MachineLink, MessageLog } from "@tidings/core";
import { invariant } from "@tidings/core";
import { logStreamsDefault } from "./limits.ts";
import { connectNats, type NatsOptions } from "./nats.ts";
import { openNatsConnectionDirectory } from "./nats-connection-directory.ts";
import { createNatsInquiry } from "./nats-inquiry.ts";
import { openNatsLeases } from "./nats-leases.ts";
import { createNatsMachineLink } from "./nats-machine-link.ts";
import { openNatsMessageLog } from "./nats-message-log.ts";

export type NatsEngineOptions = NatsOptions & {
  /** Fixed for the life of an installation, as `logStreams` is. */
  readonly partitions: number;
  /** Servers that keep each stream and bucket: 1, or 3 in a cluster of three. */
  readonly replicas: number;
  /** Over how many streams the partitions are spread. */
  readonly logStreams?: number;
  readonly retention?: { readonly bytesMax?: number; readonly ageMs?: number };
};

export type NatsEngine = {
  readonly log: MessageLog;
  readonly leases: Leases;
  readonly machines: MachineLink;
  readonly connections: ConnectionDirectory;
  readonly ask: Inquiry;
  /** Resolves when what was sent to machines has left this process. */
  drain(): Promise<void>;
  stop(): Promise<void>;
};

/** Errors: `unavailable` where the servers do not answer; `internal` where they hold a log that was laid out otherwise. */
export async function openNatsEngine(options: NatsEngineOptions): Promise<NatsEngine> {
  invariant(/^[a-z0-9-]{1,32}$/.test(options.name), "The name of an installation is 1–32 of a–z, 0–9 and -.");
  const nats = await connectNats(options);
  const stops: (() => Promise<void>)[] = [];
  /** What follows a bucket begins to end first, and ends at the latest when there is no connection any more. */
  const stop = async (): Promise<void> => {
    const stopping = stops.splice(0).map((one) => one());
    await nats.close();
    await Promise.all(stopping);
  };
  try {
    const log = await openNatsMessageLog(nats, {
      partitions: options.partitions,
      replicas: options.replicas,
      streams: options.logStreams ?? logStreamsDefault,
      retention: options.retention ?? {},
    });
    const { leases, stop: stopLeases } = await openNatsLeases(nats, options);
    stops.push(stopLeases);
    const { connections, stop: stopConnections } = await openNatsConnectionDirectory(nats, options);
    stops.push(stopConnections);
    return {
      log,
      leases,
      connections,
      machines: createNatsMachineLink(nats),
      ask: createNatsInquiry(nats),
      async drain() {
        if (nats.isConnected) await nats.connection.flush();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
