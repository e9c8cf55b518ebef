import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./free-ports.ts";
import { findNatsBinary } from "./nats-binary.ts";

export type NatsServerOptions = {
  /** Every write is on the disk before it is answered. On, unless told otherwise. */
  readonly syncAlways?: boolean;
  readonly maxPayloadBytes?: number;
  readonly storeBytesMax?: number;
};

/** One real server, with a folder of its own, on this machine only. */
export type NatsServer = {
  readonly url: string;
  readonly monitorUrl: string;
  readonly port: number;
  readonly name: string;
  /** Ends the process as it stands; resolves when it has ended. Its data stays. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again, on its ports, with its data; resolves when it serves. */
  restart(): Promise<void>;
  /** Ends it and removes its data, and keeps its place. */
  forget(): Promise<void>;
  /** Ends it and removes whatever it had. */
  stop(): Promise<void>;
};

export type NatsCluster = {
  readonly servers: readonly NatsServer[];
  readonly urls: readonly string[];
  /** Starts all of them again, at the same time, because no one alone is ready. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

const startMsMax = 25_000;
const countedInMsMax = 3_000;
const foundingsMax = 5;
/** Servers that found a cluster have a leader within a second or two, or do not find together. */
const foundingMsMax = 10_000;

/** However this process ends, unless by SIGKILL, its servers end with it. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export async function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  const [ports] = await portsFor(1);
  const server = await prepare({
    ...options,
    name: "n1",
    ports: ports as Ports,
    routes: [],
    processors: availableParallelism(),
  });
  await server.restart();
  return server;
}

export async function startNatsCluster(count: number, options: NatsServerOptions = {}): Promise<NatsCluster> {
  const ports = await portsFor(count);
  const routes = ports.map(({ cluster }) => cluster);
  const processors = Math.max(1, Math.floor(availableParallelism() / count));
  const servers = await Promise.all(
    ports.map((own, index) => prepare({ ...options, name: `n${index + 1}`, ports: own, routes, processors })),
  );
  const restart = async (withinMs = startMsMax): Promise<void> => {
    await Promise.all(servers.map((server) => server.restart()));
    await Promise.all(servers.map(({ monitorUrl }) => served(monitorUrl, "js-server-only", { withinMs })));
  };
  const found = async (): Promise<unknown> => {
    try {
      await restart(foundingMsMax);
      if (await countedIn(servers)) return undefined;
      return new Error("One of the NATS servers does not count.");
    } catch (error) {
      return error;
    }
  };
  for (let attempt = 1; ; attempt += 1) {
    const trouble = await found();
    if (trouble === undefined) break;
    if (attempt === foundingsMax) throw new Error("The NATS servers did not find together.", { cause: trouble });
    await Promise.all(servers.map((server) => server.forget()));
  }
  return {
    servers,
    urls: servers.map(({ url }) => url),
    restart: () => restart(),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

type Ports = { readonly client: number; readonly monitor: number; readonly cluster: number };
/** `processors`: each server alone would take all of the machine for its own, and they would get in each other's way. */
type Preparation = NatsServerOptions & { name: string; ports: Ports; routes: readonly number[]; processors: number };

async function prepare(preparation: Preparation): Promise<NatsServer> {
  const { ports, name } = preparation;
  const { path } = await findNatsBinary();
  const folder = await mkdtemp(join(tmpdir(), "tidings-nats-"));
  const file = join(folder, "nats.conf");
  await writeFile(file, configurationOf(preparation, join(folder, "data")));
  const monitorUrl = `http://127.0.0.1:${ports.monitor}`;
  let child: ChildProcess | undefined;

  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    ending.kill(signal);
    await once(ending, "exit");
  };
  return {
    name,
    url: `nats://127.0.0.1:${ports.client}`,
    monitorUrl,
    port: ports.client,
    kill,
    async restart() {
      await kill("SIGTERM");
      const started = spawn(path, ["-c", file], {
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...process.env, GOMAXPROCS: `${preparation.processors}` },
        // A Ctrl-C in our terminal is for us: we end it after those that need it.
        detached: true,
      });
      child = started;
      running.add(started);
      started.once("exit", () => running.delete(started));
      const said: string[] = [];
      started.stderr?.setEncoding("utf8").on("data", (text: string) => {
        said.push(text);
        if (said.length > 200) said.shift();
      });
      const check = (): void => {
        if (started.exitCode !== null) throw new Error(`A NATS server did not start.\n${said.join("")}`);
      };
      await served(monitorUrl, "js-enabled-only", { check });
    },
    async forget() {
      await kill("SIGTERM");
      await rm(join(folder, "data"), { recursive: true, force: true });
    },
    async stop() {
      await kill("SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configurationOf({ name, ports, routes, ...options }: Preparation, storeFolder: string): string {
  const storeBytes = options.storeBytesMax ?? 2 * 1024 ** 3;
  const lines = [
    `server_name: ${name}`,
    `listen: "127.0.0.1:${ports.client}"`,
    `http: "127.0.0.1:${ports.monitor}"`,
    ...(options.maxPayloadBytes === undefined ? [] : [`max_payload: ${options.maxPayloadBytes}`]),
    "jetstream {",
    `  store_dir: ${JSON.stringify(storeFolder)}`,
    `  max_file_store: ${storeBytes}`,
    `  max_memory_store: ${256 * 1024 * 1024}`,
    ...(options.syncAlways === false ? [] : ["  sync_interval: always"]),
    "}",
  ];
  if (routes.length > 0) {
    lines.push(
      "cluster {",
      "  name: tidings",
      `  listen: "127.0.0.1:${ports.cluster}"`,
      `  routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ")}]`,
      "}",
    );
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Resolves when the server takes clients, and JetStream is there. One of a cluster that comes back may still be catching up with the
 * others, who serve meanwhile; when a whole cluster starts, each waits until it knows their leader.
 */
async function served(
  monitorUrl: string,
  what: "js-enabled-only" | "js-server-only",
  { check, withinMs = startMsMax }: { check?: () => void; withinMs?: number },
): Promise<void> {
  const untilMs = Date.now() + withinMs;
  for (;;) {
    check?.();
    const answer = await fetch(`${monitorUrl}/healthz?${what}=true`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    if (Date.now() > untilMs) throw new Error("A NATS server was not ready in time.");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * Do all of them count in the cluster that they founded? Servers of 2.10 that start at the same time found it with two now and then, and
 * then never take the third one in: no stream finds room for its replicas.
 */
async function countedIn(servers: readonly NatsServer[]): Promise<boolean> {
  const untilMs = Date.now() + countedInMsMax;
  for (;;) {
    const sizes = await Promise.all(
      servers.map(async ({ monitorUrl }) => {
        const report = (await (await fetch(`${monitorUrl}/jsz`)).json()) as {
          meta_cluster?: { cluster_size?: number };
        };
        return report.meta_cluster?.cluster_size;
      }),
    );
    if (sizes.every((size) => size === servers.length)) return true;
    if (Date.now() > untilMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Three for each server. */
async function portsFor(count: number): Promise<readonly Ports[]> {
  const ports = await freePorts(count * 3);
  return Array.from({ length: count }, (_, index) => {
    const [client = 0, monitor = 0, cluster = 0] = ports.slice(index * 3);
    return { client, monitor, cluster };
  });
}
