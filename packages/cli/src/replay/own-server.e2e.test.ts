import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

// Two processes, which on a busy machine take seconds to start.
vi.setConfig({ testTimeout: 60_000 });

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidings-own-server-test-"));
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

const program = `
  const { OwnServer } = await import(${JSON.stringify(new URL("./own-server.ts", import.meta.url).href)});
  const server = await OwnServer.start(() => undefined);
  console.log(server.url);
  setInterval(() => undefined, 60_000);
`;

it("a server of our own ends when we are killed", async () => {
  const owner = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: folder },
  });
  const [url] = (await once(createInterface({ input: owner.stdout }), "line")) as [string];
  const port = Number(new URL(url).port);
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  owner.kill("SIGKILL");
  await new Promise((resolve) => socket.once("close", resolve).once("error", resolve).resume());
  // A process that is being ended loses its sockets one by one: the listening one may be the last.
  let code = await attempt(port);
  while (code !== "ECONNREFUSED") code = await attempt(port);
  expect(code).toBe("ECONNREFUSED");
});

/** How an attempt to connect ended. */
function attempt(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve("connected");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
}
