import { createServer } from "node:net";

/** A flag for Node that lets `collectGarbage` in, and the port that it opens on loopback. */
export async function inspectable(): Promise<{ readonly flag: string; readonly port: number }> {
  const port = await freePort();
  return { flag: `--inspect=127.0.0.1:${port}`, port };
}

/**
 * Makes a Node process that was started with the flag of `inspectable` collect its garbage, over V8's inspector, so that what
 * is left of its memory is what it holds. Rejects if the process has no inspector at the port.
 */
export async function collectGarbage(port: number): Promise<void> {
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const url = targets[0]?.webSocketDebuggerUrl;
  if (url === undefined) throw new Error(`Nothing can be inspected at port ${port}.`);
  const socket = new WebSocket(url);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.onerror = () => reject(new Error(`The inspector at port ${port} does not answer.`));
      socket.onmessage = () => resolve();
      socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: "HeapProfiler.collectGarbage" }));
    });
  } finally {
    socket.close();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
