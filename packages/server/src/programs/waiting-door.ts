import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { TidingsError } from "@tidings/protocol";
import { problemOf, problemType, retryAfterSeconds } from "../http/problem.ts";

export type WaitingDoor = { readonly port: number; close(): Promise<void> };

/**
 * What a machine of a fleet answers before its engines are there: it lives (`/healthz`), and is not ready for anything. Whoever
 * supervises it leaves it alone, and a balancer sends nobody.
 */
export async function openWaitingDoor(options: {
  readonly host: string;
  readonly port: number;
  /** What is waited for, for whoever asks. */
  readonly waitingFor: () => readonly string[];
}): Promise<WaitingDoor> {
  const server = createServer((request, response) => {
    // Each answer ends its connection: one that is kept would break when the machine itself takes over the port.
    response.setHeader("cache-control", "no-store").setHeader("connection", "close");
    if (request.url === "/healthz") {
      response.setHeader("content-type", "application/json; charset=utf-8").end('{"status":"ok"}');
      return;
    }
    const detail = `This machine waits for ${options.waitingFor().join(" and ")}.`;
    const error = new TidingsError("unavailable", { detail, retryAfterMs });
    const problem = problemOf(error);
    response.statusCode = problem.status;
    response.setHeader("content-type", problemType).setHeader("retry-after", retryAfterSeconds(error) ?? "1");
    response.end(JSON.stringify(problem));
  });
  server.listen({ host: options.host, port: options.port });
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const retryAfterMs = 2_000;
