import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CutProxy } from "../network/cut-proxy.ts";
import { type Balancer, prepareBalancer } from "../servers/haproxy-server.ts";
import { type NatsServer, startNatsCluster } from "../servers/nats-server.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres-server.ts";
import { Child } from "./child-process.ts";
import { freePorts } from "../servers/free-ports.ts";

export type FleetOptions = {
  /** For logs; the engines' data are in temporary folders of their own. */
  readonly folder: string;
  readonly port?: number;
  /** Further settings of all machines. */
  readonly flags?: readonly string[];
  /** What the machines are, in the order in which they start; absent: two that send, three that receive, two workers. */
  readonly roles?: readonly MachineKind[];
  /** HAProxy in front, whose configuration is for two that send and three that receive. Without it `url` is the first machine's. */
  readonly balancer?: boolean;
  /** A way of its own from each worker to each engine, which can be cut. */
  readonly canCut?: boolean;
  readonly onProgress?: (sentence: string) => void;
};

/** `send`: the roles send and group. */
export type MachineKind = "send" | "receive" | "worker";

/** One process of Tidings, and the ways from it that can be cut. */
export type FleetMachine = {
  readonly process: Child;
  readonly role: MachineKind;
  readonly port: number;
  readonly toPostgres: readonly CutProxy[];
  readonly toNats: readonly CutProxy[];
};

export type Fleet = {
  /** Of the balancer. */
  readonly url: string;
  readonly machines: readonly FleetMachine[];
  readonly nats: readonly NatsServer[];
  readonly postgres: PostgresServer;
  readonly balancer: Balancer | undefined;
  /** Machines first, in order, then the engines under them. */
  stop(): Promise<void>;
};

/**
 * A whole fleet on this machine, as processes: three NATS servers, PostgreSQL, two machines that send and manage groups, three that
 * receive, workers, and HAProxy in front. Everything listens on 127.0.0.1.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { folder, onProgress = () => undefined } = options;
  mkdirSync(folder, { recursive: true });
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const one of stops.splice(0).reverse()) await one().catch(() => undefined);
  };
  try {
    onProgress("PostgreSQL");
    const postgres = await startPostgres({ settings: postgresSettings });
    stops.push(() => postgres.stop());
    onProgress("three NATS servers");
    const cluster = await startNatsCluster(3, { storeBytesMax });
    stops.push(() => cluster.stop());
    const nats = cluster.servers;

    const roles = options.roles ?? defaultRoles;
    const ports = await freePorts(roles.length);
    const engines = { postgres, nats, flags: options.flags ?? [], folder, canCut: options.canCut ?? false };
    const machines: FleetMachine[] = [];
    for (const [index, role] of roles.entries()) {
      machines.push(await prepareMachine(role, { ...engines, index, port: ports[index] ?? 0 }));
    }
    stops.push(() =>
      Promise.all(machines.flatMap(({ toPostgres, toNats }) => [...toPostgres, ...toNats]).map((way) => way.close())),
    );
    stops.push(() => Promise.all(machines.map(({ process }) => process.stop())));
    for (const { process } of machines) {
      onProgress(process.name);
      await process.start();
    }
    const balancer = options.balancer === false ? undefined : await startBalancer(machines, options, folder);
    if (balancer !== undefined) stops.push(() => balancer.process.kill());
    const url = balancer?.url ?? `http://127.0.0.1:${ports[0]}`;
    return { url, machines, nats, postgres, balancer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startBalancer(
  machines: readonly FleetMachine[],
  { port, onProgress }: FleetOptions,
  folder: string,
): Promise<Balancer> {
  const portsOf = (kind: MachineKind) => machines.flatMap((one) => (one.role === kind ? [one.port] : []));
  const [send1 = 0, send2 = 0] = portsOf("send");
  const [receive1 = 0, receive2 = 0, receive3 = 0] = portsOf("receive");
  onProgress?.("HAProxy");
  const balancer = await prepareBalancer({
    logFile: join(folder, "balancer.log"),
    ...(port !== undefined && { port }),
    sendPorts: [send1, send2],
    receivePorts: [receive1, receive2, receive3],
  });
  await balancer.process.start();
  await untilReady(balancer);
  return balancer;
}

async function prepareMachine(
  role: MachineKind,
  options: {
    readonly index: number;
    readonly port: number;
    readonly postgres: PostgresServer;
    readonly nats: readonly NatsServer[];
    readonly flags: readonly string[];
    readonly folder: string;
    readonly canCut: boolean;
  },
): Promise<FleetMachine> {
  const { index, port, postgres, nats, flags, folder } = options;
  const cuts = role === "worker" && options.canCut;
  const toPostgres = cuts ? [await CutProxy.open(postgres.port)] : [];
  const toNats = cuts ? await Promise.all(nats.map((server) => CutProxy.open(server.port))) : [];
  const databaseUrl = new URL(postgres.url);
  if (toPostgres[0] !== undefined) databaseUrl.port = String(toPostgres[0].port);
  const natsPorts = cuts ? toNats.map((way) => way.port) : nats.map((server) => server.port);
  const name = `${role}-${index + 1}`;
  const process_ = new Child({
    name,
    command: process.execPath,
    args: [
      ...roomForObjects,
      serverProgram,
      "serve",
      `--roles=${role === "send" ? "send,group" : role}`,
      "--host=127.0.0.1",
      `--port=${port}`,
      `--data=${join(folder, name)}`,
      `--nats-servers=${natsPorts.map((to) => `nats://127.0.0.1:${to}`).join(",")}`,
      "--trusted-proxies=127.0.0.1",
      // Everything listens on this machine only, and behind a balancer nobody can tell who is on it.
      "--sign-up=open",
      ...flags,
    ],
    env: {
      TIDINGS_END_WITH_PARENT: "1",
      TIDINGS_DATABASE_URL: databaseUrl.href,
      // Who is started again finds its code compiled, and takes half the time.
      NODE_COMPILE_CACHE: join(folder, "compiled"),
    },
    ready: /^Tidings listens on /,
    logFile: join(folder, `${name}.log`),
  });
  return { process: process_, role, port, toPostgres, toNats };
}

/** The balancer knows of its machines with its first checks. */
async function untilReady({ url, process: balancer }: Balancer): Promise<void> {
  const untilMs = performance.now() + readyMsMax;
  for (;;) {
    // Somebody else may answer at its address.
    if (!balancer.isRunning) throw new Error(`HAProxy ended at once; ${balancer.options.logFile} says why.`);
    const answers = await Promise.all([
      fetch(`${url}/healthz`).then(
        ({ status }) => status === 200,
        () => false,
      ),
      // Without a token it is refused by a machine that receives, and by nobody else.
      fetch(`${url}/v1/sync`, { method: "POST" }).then(
        ({ status }) => status === 401,
        () => false,
      ),
    ]);
    if (answers.every((good) => good)) return;
    if (performance.now() > untilMs) throw new Error(`Nobody answers at ${url}.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const defaultRoles: readonly MachineKind[] = [
  "send",
  "send",
  "receive",
  "receive",
  "receive",
  "worker",
  "worker",
];
/** As docs/operations.md recommends: what is under way for a while, a message until it is durable, is not taken for old. In MiB. */
const roomForObjects = ["--min-semi-space-size=32", "--max-semi-space-size=32", "--initial-old-space-size=128"];
const serverProgram = fileURLToPath(new URL("../../../packages/server/src/main.ts", import.meta.url));
/** Power-safe, and for two cores. */
const postgresSettings = { fsync: "on", synchronous_commit: "on", shared_buffers: "256MB", max_connections: "200" };
const readyMsMax = 30_000;
/** What a log may take by default, and more. */
const storeBytesMax = 64 * 1024 ** 3;
