import { fileURLToPath } from "node:url";
import { Child } from "../fleet/child-process.ts";
import { freePorts } from "./free-ports.ts";
import { debianProgram } from "./debian-program.ts";

export type BalancerOptions = {
  readonly logFile: string;
  /** Of 127.0.0.1; absent: a free one. */
  readonly port?: number;
  readonly sendPorts: readonly [number, number];
  readonly receivePorts: readonly [number, number, number];
};

export type Balancer = { readonly url: string; readonly process: Child };

/** HAProxy before a fleet, with the sample configuration of `deploy/` as it stands. Not started yet. */
export async function prepareBalancer(options: BalancerOptions): Promise<Balancer> {
  const command = await debianProgram({ package: "haproxy", program: "haproxy" });
  const port = options.port ?? (await freePorts(1))[0] ?? 0;
  const env: Record<string, string> = { TIDINGS_BIND: `127.0.0.1:${port}` };
  for (const [index, to] of options.sendPorts.entries()) env[`TIDINGS_SEND_${index + 1}`] = `127.0.0.1:${to}`;
  for (const [index, to] of options.receivePorts.entries()) env[`TIDINGS_RECEIVE_${index + 1}`] = `127.0.0.1:${to}`;
  const process = new Child({
    name: "balancer",
    command,
    // In the foreground, and one process: what we kill is all that there is.
    args: ["-db", "-f", configuration],
    env,
    logFile: options.logFile,
  });
  return { url: `http://127.0.0.1:${port}`, process };
}

const configuration = fileURLToPath(new URL("../../../deploy/haproxy/tidings.cfg", import.meta.url));
