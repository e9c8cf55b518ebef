import { mkdtempSync } from "node:fs";
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
`);
} else {
  await serve();
}

async function serve(): Promise<void> {
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
    port: Number(values.port),
    roles: [
      ...defaultRoles.filter((role) => role !== "worker"),
      ...Array.from({ length: Number(values.workers) }, () => "worker" as const),
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
