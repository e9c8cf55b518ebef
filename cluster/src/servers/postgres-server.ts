import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chown, mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { freePort } from "./free-ports.ts";
import { postgresFolder } from "./postgres-programs.ts";

export { whyNoPostgres } from "./postgres-programs.ts";

const run = promisify(execFile);

export type PostgresServer = {
  /** Of the database that a new server has. */
  readonly url: string;
  readonly port: number;
  readonly dataFolder: string;
  /** Makes a database, as a copy of another one if that is named, and answers with its URL. */
  createDatabase(name: string, options?: { template?: string }): Promise<string>;
  /** Ends the server and all its processes at once, as a loss of power does to them. The data stay. */
  kill(signal?: "SIGKILL" | "SIGQUIT"): Promise<void>;
  /** Starts it again on its data, after its orderly end if it still runs. Same port. */
  restart(): Promise<void>;
  /** Ends it, and removes the data if their folder was made here. Again does nothing. */
  stop(): Promise<void>;
};

export type PostgresOptions = {
  /** Lines of `postgresql.conf` beyond those that are needed here. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of a server that ran before, or a folder to be made. A temporary one unless told. */
  readonly dataFolder?: string;
  readonly port?: number;
  /**
   * Puts a temporary folder in memory, if the machine has enough of it. Processes that end lose nothing there, as little as on a disk;
   * what waits for a disk is quick, so it is for tests, and not for measuring.
   */
  readonly inMemory?: boolean;
};

/**
 * A PostgreSQL server of its own on the loopback address, as durable as the real thing. Rejects with a sentence where there can be
 * none.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const programs = await postgresFolder();
  const account = serverAccount();
  const port = options.port ?? (await freePort());
  const temporary =
    options.dataFolder === undefined
      ? await mkdtemp(join(await temporaryParent(options), "tidings-postgres-"))
      : undefined;
  const dataFolder = options.dataFolder ?? join(temporary as string, "data");
  if (temporary !== undefined && account !== undefined) await chown(temporary, account.uid, account.gid);
  if (!existsSync(join(dataFolder, "PG_VERSION"))) await initialise({ programs, account, dataFolder });
  await writeSettings({ dataFolder, port, account, settings: options.settings ?? {} });

  let running: Running | undefined = await launch({ programs, account, dataFolder });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = running;
    running = undefined;
    if (ending !== undefined) await ending.end(signal);
  };
  const address = (database: string): string => `postgresql://${user}@127.0.0.1:${port}/${database}`;

  return {
    url: address("postgres"),
    port,
    dataFolder,
    async createDatabase(name, { template } = {}) {
      const where = ["-h", "127.0.0.1", "-p", String(port), "-U", user, "--maintenance-db", "postgres"];
      await run(join(programs, "createdb"), [...where, ...(template === undefined ? [] : ["-T", template]), name]);
      return address(name);
    },
    kill: (signal = "SIGKILL") => end(signal),
    async restart() {
      await end("SIGINT");
      running = await launch({ programs, account, dataFolder });
    },
    async stop() {
      await end(temporary === undefined ? "SIGINT" : "SIGQUIT");
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    },
  };
}

const memoryFolder = "/dev/shm";
/** A server with a few test databases takes a quarter of it. */
const memoryBytesMin = 1024 ** 3;

async function temporaryParent({ inMemory = false }: PostgresOptions): Promise<string> {
  if (!inMemory || !existsSync(memoryFolder)) return tmpdir();
  const { bavail, bsize } = await statfs(memoryFolder);
  return bavail * bsize >= memoryBytesMin ? memoryFolder : tmpdir();
}

/** The superuser of the new server; nobody else can reach the port, so it asks for no password. */
const user = "tidings";

type Account = { readonly uid: number; readonly gid: number };
type Place = { readonly programs: string; readonly account: Account | undefined; readonly dataFolder: string };

/** PostgreSQL refuses to run as root; its package made an account for it. */
function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((one) => one.startsWith("postgres:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Error("PostgreSQL does not run as root, and there is no account `postgres` to run it as.");
  }
  return { uid: Number(uid), gid: Number(gid) };
}

async function initialise({ programs, account, dataFolder }: Place): Promise<void> {
  await mkdir(dataFolder, { recursive: true });
  if (account !== undefined) await chown(dataFolder, account.uid, account.gid);
  const how = ["-U", user, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"];
  await run(join(programs, "initdb"), ["-D", dataFolder, ...how], { ...account, cwd: dataFolder });
}

async function writeSettings(options: {
  dataFolder: string;
  port: number;
  account: Account | undefined;
  settings: Readonly<Record<string, string>>;
}): Promise<void> {
  const { dataFolder, account } = options;
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(options.port),
    unix_socket_directories: dataFolder,
    wal_level: "logical",
    logging_collector: "off",
    // After a crash one call to the file system instead of one for each file: as safe, and the tests crash often.
    recovery_init_sync_method: "syncfs",
    ...options.settings,
  };
  const file = join(dataFolder, "postgresql.auto.conf");
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  await writeFile(file, lines.join(""));
  if (account !== undefined) await chown(file, account.uid, account.gid);
}

type Running = { end(signal: NodeJS.Signals): Promise<void> };

/** Resolves when the server takes connections; rejects with the end of its log if it ends before. */
async function launch({ programs, account, dataFolder }: Place): Promise<Running> {
  const server = spawn(join(programs, "postgres"), ["-D", dataFolder], {
    ...account,
    cwd: dataFolder,
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "ignore", "pipe"],
    // A Ctrl-C in our terminal is for us: we end it after those that need it.
    detached: true,
  });
  // A test that is ended takes its server along.
  const killWithUs = (): void => {
    server.kill("SIGQUIT");
  };
  process.once("exit", killWithUs);
  const exited = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  void exited.then(() => process.off("exit", killWithUs));
  await ready(server);
  return {
    async end(signal) {
      const children = signal === "SIGKILL" ? stopWithChildren(server) : [];
      server.kill(signal);
      for (const child of children) kill(child, "SIGKILL");
      await exited;
      // Orphans: as long as one lives, a new server refuses to use the data.
      for (const child of children) await gone(child);
    },
  };
}

const isReady = "database system is ready to accept connections";

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const log: string[] = [];
    server.once("error", reject);
    server.once("exit", () => reject(new Error(`PostgreSQL did not start:\n${log.join("\n")}`)));
    if (server.stderr === null) return reject(new Error("The server has a log."));
    createInterface({ input: server.stderr }).on("line", (line) => {
      log.push(line);
      if (log.length > 50) log.shift();
      if (line.includes(isReady)) resolve();
    });
  });
}

/** The server's processes, of which there are no more once it is stopped. */
function stopWithChildren(server: ChildProcess): number[] {
  if (server.pid === undefined || server.exitCode !== null) return [];
  server.kill("SIGSTOP");
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && parentOf(pid) === server.pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in brackets, may hold spaces.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    // It is gone.
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  while (kill(pid, 0) && parentOf(pid) !== undefined && !isZombie(pid)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return true;
  }
}
