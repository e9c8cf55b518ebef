import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

/** What a machine was asked, as it says itself. */
export type Seen = {
  readonly machine: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** Stands where a machine of a fleet stands: it answers who it is and what it was asked, and greets WebSockets with its name. */
export type LittleMachine = {
  readonly name: string;
  readonly port: number;
  /** Every request that it read to its end, checks of its readiness excluded. */
  readonly seen: readonly Seen[];
  /** What /readyz answers. */
  ready: boolean;
  /** It reads requests and hangs up on them, as a machine does that dies. */
  hangsUp: boolean;
  /** Answers to /v1/sync pause after their first half until this is called. */
  finishAnswers(): void;
  stop(): Promise<void>;
};

export async function startLittleMachine(name: string): Promise<LittleMachine> {
  const seen: Seen[] = [];
  const unfinished = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const webSockets = new WebSocketServer({ server, path: "/v1/socket", handleProtocols: () => "tidings.v1" });
  webSockets.on("connection", (webSocket, request) => {
    webSocket.send(JSON.stringify(seenIn(request, "")));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === "/readyz") {
      response.writeHead(machine.ready ? 200 : 503).end();
      return;
    }
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const one = seenIn(request, body);
    seen.push(one);
    if (machine.hangsUp) {
      request.socket.destroy();
      return;
    }
    const text = JSON.stringify(one);
    response.writeHead(200, { "content-type": "application/json", "content-length": text.length });
    if (one.path !== "/v1/sync") {
      response.end(text);
      return;
    }
    response.write(text.slice(0, halfOf(text)));
    unfinished.add(response);
    response.once("finish", () => unfinished.delete(response));
    Object.assign(response, { rest: text.slice(halfOf(text)) });
  }

  function seenIn(request: IncomingMessage, body: string): Seen {
    const headers = Object.entries(request.headers).map(([key, value]) => [key, String(value)]);
    const { method = "", url: path = "" } = request;
    return { machine: name, method, path, headers: Object.fromEntries(headers), body };
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const machine: LittleMachine = {
    name,
    port: (server.address() as AddressInfo).port,
    seen,
    ready: true,
    hangsUp: false,
    finishAnswers() {
      for (const response of unfinished) response.end((response as ServerResponse & { rest: string }).rest);
    },
    async stop() {
      for (const webSocket of webSockets.clients) webSocket.terminate();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return machine;
}

const halfOf = (text: string): number => Math.floor(text.length / 2);
