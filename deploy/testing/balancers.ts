import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { debianProgram } from "@tidings/cluster/servers/debian-program.ts";
import { freePort } from "@tidings/cluster/servers/free-ports.ts";
import { fileOfDeploy } from "./file-of-deploy.ts";
import { startServer } from "./program.ts";

export type Behind = {
  readonly sendPorts: readonly [number, number];
  readonly receivePorts: readonly [number, number, number];
};
export type Balancer = { readonly url: string; stop(): Promise<void> };

export const findHaproxy = (): Promise<string> => debianProgram({ package: "haproxy", program: "haproxy" });
export const findNginx = (): Promise<string> => debianProgram({ package: "nginx-light", program: "nginx" });

/** The sample configuration of this repository, as it stands, before the given machines. */
export async function startHaproxy({ sendPorts, receivePorts }: Behind): Promise<Balancer> {
  const program = await findHaproxy();
  const port = await freePort();
  const env: Record<string, string> = { TIDINGS_BIND: `127.0.0.1:${port}` };
  for (const [index, to] of sendPorts.entries()) env[`TIDINGS_SEND_${index + 1}`] = `127.0.0.1:${to}`;
  for (const [index, to] of receivePorts.entries()) env[`TIDINGS_RECEIVE_${index + 1}`] = `127.0.0.1:${to}`;
  const url = `http://127.0.0.1:${port}`;
  const args = ["-db", "-f", fileOfDeploy("haproxy/tidings.cfg")];
  const running = await startServer(program, args, { env, answersAt: `${url}/healthz` });
  return { url, stop: running.stop };
}

/** The same for nginx, with the two files beside the sample that its reader is told to write. */
export async function startNginx({ sendPorts, receivePorts }: Behind): Promise<Balancer> {
  const program = await findNginx();
  const folder = await mkdtemp(join(tmpdir(), "tidings-nginx-"));
  const port = await freePort();
  const upstream = (name: string, ports: readonly number[]): string =>
    `upstream ${name} {\n${ports.map((to) => `  server 127.0.0.1:${to} max_fails=2 fail_timeout=2s;\n`).join("")}  keepalive 8;\n}\n`;
  await copyFile(fileOfDeploy("nginx/tidings.conf"), join(folder, "tidings.conf"));
  const upstreams = upstream("tidings_receive", receivePorts) + upstream("tidings_send", sendPorts);
  await writeFile(join(folder, "tidings-upstreams.conf"), upstreams);
  await writeFile(join(folder, "tidings-listen.conf"), `listen 127.0.0.1:${port};\n`);
  await writeFile(join(folder, "nginx.conf"), mainFile(folder));
  const url = `http://127.0.0.1:${port}`;
  const running = await startServer(program, nginxArguments(folder), { answersAt: `${url}/healthz` });
  return {
    url,
    async stop() {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Nothing of the system's own nginx is read or written. */
export const nginxArguments = (folder: string): readonly string[] => ["-p", folder, "-c", "nginx.conf", "-e", "stderr"];

export function mainFile(folder: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `  ${kind}_temp_path ${folder}/${kind};\n`,
  );
  // Its workers write into our folder; they become somebody else only where the master is root.
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  return `${user}daemon off;
pid ${folder}/nginx.pid;
worker_processes 1;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
${temporary.join("")}  include tidings.conf;
}
`;
}
