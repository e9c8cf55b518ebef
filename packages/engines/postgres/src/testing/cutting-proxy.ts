import { createServer, connect, type Socket } from "node:net";

/**
 * A way to a server that can be cut while an answer is under way: what was asked arrives there, and what it answers is lost.
 */
export async function openCuttingProxy(targetPort: number): Promise<{
  readonly port: number;
  /** From now on the next answers are swallowed, and the connections that they belong to are closed. Resolves when that happened. */
  cutNextAnswer(): Promise<void>;
  close(): Promise<void>;
}> {
  const sockets = new Set<Socket>();
  let cut: (() => void) | undefined;
  const server = createServer((client) => {
    const upstream = connect(targetPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (data) => upstream.write(data));
    upstream.on("data", (data) => {
      if (cut === undefined) {
        client.write(data);
        return;
      }
      cut();
      cut = undefined;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cutNextAnswer: () =>
      new Promise((resolve) => {
        cut = resolve;
      }),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
