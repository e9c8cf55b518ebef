import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import type { Running } from "./services.ts";
import type { Settings } from "./settings.ts";

/** A composed Tidings: services in one process, over whatever engines it was given. */
export type Tidings = {
  /** Starts everything and listens; resolves with the address when requests are served. */
  start(): Promise<{ url: string; port: number }>;
  /** Takes nothing new, sends the sessions away over `drainMs`, finishes what is under way. */
  drain(): Promise<void>;
  /** Ends at once. What was acknowledged is stored; clients come back and sync. */
  stop(): Promise<void>;
  readonly app: FastifyInstance;
};

/** What is asked while it serves: the port is known when it listens, and a machine that drains takes nothing new. */
export type ServingState = { port: number; isDraining: boolean };

/** The life of what is served over HTTP. `running` in the order in which they are stopped: whoever feeds others first. */
export function createServing(parts: {
  readonly app: FastifyInstance;
  readonly settings: Settings;
  readonly running: readonly Running[];
  readonly state: ServingState;
}): Tidings {
  const { app, settings, running, state } = parts;
  let ended: Promise<unknown> | undefined;

  return {
    app,
    async start() {
      ended = Promise.all(running.map((part) => part.run()));
      await app.listen({ host: settings.host, port: settings.port });
      state.port = portOf(app.server);
      const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
      return { url: `http://${host}:${state.port}`, port: state.port };
    },
    async drain() {
      state.isDraining = true;
      for (const part of running) await part.drain();
      await app.close();
      await ended;
    },
    async stop() {
      state.isDraining = true;
      for (const part of running) await part.stop();
      app.server.closeAllConnections();
      await app.close();
      await ended;
    },
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
