import { jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import { unavailable } from "./errors.ts";
import { callMsMax } from "./limits.ts";
import { logStreamName } from "./nats-message-log.ts";

export type NatsExamineOptions = {
  readonly servers: readonly string[];
  readonly name: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** The text of a credentials file. */
  readonly credentials?: string;
  /** Addresses of the servers' HTTP monitoring, where there is one. */
  readonly monitorUrls?: readonly string[];
};

/** What the servers say of themselves; whether that is good is for who reads it. */
export type NatsExamination = {
  /** The server that answered. */
  readonly connectedTo: { readonly name: string; readonly version: string; readonly cluster: string | undefined };
  /** Of each monitoring address, in their order. */
  readonly servers: readonly NatsServerExamination[];
  readonly streams: readonly NatsStreamExamination[];
  readonly storage: {
    readonly fileBytes: number;
    readonly fileBytesMax: number;
    readonly memoryBytes: number;
    readonly memoryBytesMax: number;
  };
};

export type NatsServerExamination = {
  readonly monitorUrl: string;
  readonly name: string;
  readonly version: string;
  /** Whether a write is on the disk before it is answered: "always", a time such as "2m0s", or "unknown". */
  readonly syncInterval: string;
  /** The server's wall time when it answered; undefined where it did not say. */
  readonly nowMs: number | undefined;
  /** Servers that keep streams in its cluster, whether they are named to us or not; absent where it did not say. */
  readonly clusterSize?: number;
};

export type NatsStreamExamination = {
  readonly name: string;
  /** Of a stream of the log: its share of the partitions. */
  readonly subjects: number;
  readonly replicas: number;
  /** Replicas that are there and not behind, the leader among them. */
  readonly replicasCurrent: number;
  readonly leader: string | undefined;
  readonly storage: string;
  readonly retention: string;
  readonly discard: string;
  readonly messages: number;
  readonly bytes: number;
  /** -1: without a limit. */
  readonly bytesMax: number;
  /** 0: for ever. */
  readonly ageMsMax: number;
};

/** Errors: `unavailable` where no server answers. A monitoring address that does not answer is told as "unknown". */
export async function examineNats(options: NatsExamineOptions): Promise<NatsExamination> {
  const connection = await connect({
    servers: [...options.servers],
    name: "tidings doctor",
    timeout: callMsMax,
    reconnect: false,
    ...(options.user !== undefined && { user: options.user }),
    ...(options.password !== undefined && { pass: options.password }),
    ...(options.token !== undefined && { token: options.token }),
    ...(options.credentials !== undefined && {
      authenticator: credsAuthenticator(new TextEncoder().encode(options.credentials)),
    }),
  }).catch((error: unknown) => {
    throw unavailable(error);
  });
  try {
    const jsm = await jetstreamManager(connection, { timeout: callMsMax });
    const account = await jsm.getAccountInfo();
    const streams: NatsStreamExamination[] = [];
    for await (const info of jsm.streams.list())
      if (isOurs(options.name, info.config.name)) streams.push(streamOf(info));
    const { server_name: name = "unknown", version = "unknown", cluster } = connection.info ?? {};
    return {
      connectedTo: { name, version, cluster },
      servers: await Promise.all((options.monitorUrls ?? []).map(serverAt)),
      streams,
      storage: {
        fileBytes: account.storage,
        fileBytesMax: account.limits.max_storage,
        memoryBytes: account.memory,
        memoryBytesMax: account.limits.max_memory,
      },
    };
  } catch (error) {
    throw unavailable(error);
  } finally {
    await connection.close();
  }
}

function isOurs(name: string, stream: string): boolean {
  const isLog = stream.startsWith(logStreamName(name, 0).slice(0, -1));
  // Another installation's name may begin with ours.
  return isLog || ["connections", "leases"].some((bucket) => stream === `KV_${name}-${bucket}`);
}

function streamOf({ config, state, cluster }: StreamInfo): NatsStreamExamination {
  const others = cluster?.replicas ?? [];
  return {
    name: config.name,
    subjects: config.subjects.length,
    replicas: config.num_replicas,
    replicasCurrent: 1 + others.filter(({ current, offline }) => current && offline !== true).length,
    leader: cluster?.leader,
    storage: config.storage,
    retention: config.retention,
    discard: config.discard,
    messages: state.messages,
    bytes: state.bytes,
    bytesMax: config.max_bytes,
    ageMsMax: config.max_age / 1e6,
  };
}

type Varz = {
  readonly server_name?: string;
  readonly version?: string;
  readonly now?: string;
  readonly jetstream?: { readonly config?: { readonly sync_interval?: number; readonly sync_always?: boolean } };
};

async function serverAt(monitorUrl: string): Promise<NatsServerExamination> {
  const [varz, jsz] = await Promise.all([ask<Varz>(monitorUrl, "/varz"), ask<Jsz>(monitorUrl, "/jsz")]);
  const { server_name: name = "unknown", version = "unknown", now, jetstream } = varz;
  const clusterSize = jsz.meta_cluster?.cluster_size;
  const syncInterval = syncOf(jetstream?.config ?? {});
  return {
    monitorUrl,
    name,
    version,
    syncInterval,
    nowMs: timeOf(now),
    ...(clusterSize !== undefined && { clusterSize }),
  };
}

type Jsz = { readonly meta_cluster?: { readonly cluster_size?: number } };

/** An empty object where nobody answers, or with something else. */
async function ask<Answer extends object>(monitorUrl: string, path: string): Promise<Partial<Answer>> {
  const answer = await fetch(new URL(path, monitorUrl), { signal: AbortSignal.timeout(callMsMax) }).catch(
    () => undefined,
  );
  return (answer?.ok === true ? await answer.json().catch(() => ({})) : {}) as Partial<Answer>;
}

/** Nanoseconds, and beside them whether every write is synced. */
function syncOf({ sync_always, sync_interval }: NonNullable<NonNullable<Varz["jetstream"]>["config"]>): string {
  if (sync_always === true) return "always";
  return sync_interval === undefined ? "unknown" : `${sync_interval / 1e9} s`;
}

function timeOf(now: string | undefined): number | undefined {
  const ms = now === undefined ? Number.NaN : Date.parse(now);
  return Number.isNaN(ms) ? undefined : ms;
}
