import type { Clock, Random } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import { callMsMax, pingMs, reconnectMsMax, reconnectMsMin } from "./limits.ts";
import { unavailable } from "./errors.ts";

export type Log = {
  info(details: object, sentence: string): void;
  warn(details: object, sentence: string): void;
  error(details: object, sentence: string): void;
};

export type NatsOptions = {
  readonly servers: readonly string[];
  /** Of the installation, `[a-z0-9-]`: streams, buckets and subjects begin with it. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** The text of a credentials file. */
  readonly credentials?: string;
};

/** A connection that comes back by itself, and what is spoken over it. */
export type Nats = {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly name: string;
  readonly isConnected: boolean;
  /** It does not come back any more. */
  readonly isClosed: boolean;
  /** Resolves when there is a connection; `unavailable` after `callMsMax`. What is sent without one would pile up here (G8). */
  connected(): Promise<void>;
  /** Calls whenever the connection is lost, until the answer is called. */
  onLoss(listener: () => void): () => void;
  close(): Promise<void>;
};

export async function connectNats(options: NatsOptions): Promise<Nats> {
  const { clock, random, log, name } = options;
  let delayMs = reconnectMsMin;
  const connection = await connect({
    servers: [...options.servers],
    name: `tidings ${name}`,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => {
      const nextMs = delayMs * (0.5 + random.fraction() / 2);
      delayMs = Math.min(reconnectMsMax, delayMs * 2);
      return nextMs;
    },
    timeout: callMsMax,
    pingInterval: pingMs,
    noAsyncTraces: true,
    ...(options.user !== undefined && { user: options.user }),
    ...(options.password !== undefined && { pass: options.password }),
    ...(options.token !== undefined && { token: options.token }),
    ...(options.credentials !== undefined && {
      authenticator: credsAuthenticator(new TextEncoder().encode(options.credentials)),
    }),
  }).catch((error: unknown) => {
    throw unavailable(error);
  });
  const lossListeners = new Set<() => void>();
  const waiting = new Set<() => void>();
  let isConnected = true;
  let isClosed = false;

  const lose = (): void => {
    isConnected = false;
    for (const listener of [...lossListeners]) listener();
  };
  const follow = async (): Promise<void> => {
    for await (const status of connection.status()) {
      if (status.type === "disconnect" && isConnected) {
        log.warn({ server: status.server }, "The connection to NATS is lost.");
        lose();
      } else if (status.type === "reconnect") {
        isConnected = true;
        delayMs = reconnectMsMin;
        log.info({ server: status.server }, "The connection to NATS is there again.");
        for (const wake of [...waiting]) wake();
      } else if (status.type === "slowConsumer") {
        log.warn({}, "Messages of NATS wait longer than they should here.");
      } else if (status.type === "error") {
        log.warn({ err: status.error }, "NATS answers with an error.");
      }
    }
    isClosed = true;
    lose();
    for (const wake of [...waiting]) wake();
  };
  const following = follow();

  try {
    return {
      connection,
      js: jetstream(connection, { timeout: callMsMax }),
      jsm: await jetstreamManager(connection, { timeout: callMsMax }),
      clock,
      random,
      log,
      name,
      get isConnected() {
        return isConnected;
      },
      get isClosed() {
        return isClosed;
      },
      connected() {
        if (isConnected) return Promise.resolve();
        if (isClosed) return Promise.reject(new TidingsError("unavailable"));
        return new Promise((resolve, reject) => {
          const wake = (): void => {
            waiting.delete(wake);
            cancel();
            if (isConnected) resolve();
            else reject(new TidingsError("unavailable"));
          };
          const cancel = clock.after(callMsMax, () => {
            waiting.delete(wake);
            reject(new TidingsError("unavailable"));
          });
          waiting.add(wake);
        });
      },
      onLoss(listener) {
        lossListeners.add(listener);
        return () => lossListeners.delete(listener);
      },
      async close() {
        // What was just written to a server that has gone fails a turn later; after a close nobody would hear of it, which ends a process.
        await new Promise((resolve) => setImmediate(resolve));
        await connection.close();
        await following;
      },
    };
  } catch (error) {
    await connection.close();
    throw unavailable(error);
  }
}
