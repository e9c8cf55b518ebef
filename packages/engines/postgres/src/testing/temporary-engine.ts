import type { LogImage, Stores } from "@tidings/core";
import { createManualClock } from "@tidings/core";
import { Client } from "pg";
import type { PostgresServer } from "@tidings/cluster/servers/postgres-server.ts";
import { openPostgresEngine, type PostgresEngine, type PostgresEngineOptions } from "../postgres-engine.ts";

let databases = 0;
const stepMs = 5;

/** A new database on the server, without tables. */
export function freshDatabase(server: PostgresServer): Promise<string> {
  databases += 1;
  return server.createDatabase(`tidings_${databases}`);
}

/**
 * An engine in a database of its own, as the suites want it. In a crash the whole server dies, with all its processes. Its time goes on by
 * itself, as far as the engine rests between transactions, and further where a test moves it.
 */
export async function openTemporaryEngine(server: PostgresServer, options: Partial<PostgresEngineOptions> = {}) {
  const url = await freshDatabase(server);
  const clock = createManualClock();
  const going = setInterval(() => void clock.advance(stepMs), stepMs);
  const open = (): Promise<PostgresEngine> => openPostgresEngine({ url, clock, ...options });
  let engine = await open();
  return {
    url,
    clock,
    get engine(): PostgresEngine {
      return engine;
    },
    get stores(): Stores {
      return engine.stores;
    },
    get image(): LogImage {
      return engine.image;
    },
    async crash(): Promise<void> {
      await server.kill();
      await engine.stop();
      await server.restart();
      engine = await open();
    },
    async close(): Promise<void> {
      clearInterval(going);
      await engine.stop();
    },
  };
}

/** Asks the database directly, past the engine. */
export async function askDatabase<Row extends object>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
