import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaultRoles, type Fleet, startFleet } from "./fleet/fleet.ts";

/** `npm run cluster`: a fleet on this machine until Ctrl-C. */

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8484" },
    workers: { type: "string", default: "2" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run cluster -- [options]
  Starts three NATS servers, PostgreSQL, two Send/Group, three Receive and two worker processes of Tidings, and HAProxy in front,
  all on 127.0.0.1 with data in temporary folders. Ctrl-C ends all of it, and the data are gone.
  --port N     of the balancer (8484)
  --workers N  (2)
  On Debian as root it installs PostgreSQL and HAProxy where they are missing; NATS is unpacked into a cache folder. Elsewhere have
  PostgreSQL 15 or newer, HAProxy and nats-server 2.10 or newer on the PATH. Everybody on this machine can reach all of it.
`);
} else {
  try {
    const [port, workers] = [wholeNumber("port", values.port, 65_535), wholeNumber("workers", values.workers, 64)];
    await refuseTaken(port);
    await serve({ port, workers });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${name} is a whole number from 1 to ${max}.`);
}

/** HAProxy would share the port with another one of the same user, and a server that has it already would answer in its place. */
async function refuseTaken(port: number): Promise<void> {
  const probe = createServer().listen(port, "127.0.0.1");
  try {
    await once(probe, "listening");
  } catch (error) {
    const taken = `Something listens on 127.0.0.1:${port} already: end it, or name another port with --port.`;
    throw new Error(taken, { cause: error });
  }
  await new Promise((resolve) => probe.close(resolve));
}

async function serve({ port, workers }: { port: number; workers: number }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tidings-cluster-"));
  const stopping = new AbortController();
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        stopping.abort();
        resolve();
      });
    }
  });
  let fleet: Fleet | undefined;
  const starting = startFleet({
    folder,
    port,
    roles: [
      ...defaultRoles.filter((role) => role !== "worker"),
      ...Array.from({ length: workers }, () => "worker" as const),
    ],
    onProgress: (what) => process.stdout.write(`Starting ${what}.\n`),
  }).then((started) => {
    fleet = started;
  });
  await Promise.race([starting, interrupted]);
  if (!stopping.signal.aborted && fleet !== undefined) tell(fleet, folder);
  await interrupted;
  process.stdout.write("Stopping.\n");
  await starting.catch(() => undefined);
  await fleet?.stop();
  process.exit(0);
}

function tell(fleet: Fleet, folder: string): void {
  const rows = fleet.machines.map(
    ({ process: { name, pid }, port }) => `  ${name.padEnd(12)} process ${pid}, http://127.0.0.1:${port}`,
  );
  process.stdout.write(
    [
      `Tidings listens on ${fleet.url}`,
      ...rows,
      `  PostgreSQL   ${fleet.postgres.url}`,
      ...fleet.nats.map(({ url, monitorUrl }) => `  NATS         ${url}, ${monitorUrl}`),
      `Logs are in ${folder}. Ctrl-C ends all of it.`,
      "",
    ].join("\n"),
  );
}
