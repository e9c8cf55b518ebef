import type { Clock } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { Pool, type PoolClient, type PoolConfig } from "pg";
import { schema } from "./schema.ts";
import { isConnectionSpent, isOutage, isRepeatable, unavailable } from "./postgres-failure.ts";

/** Connections of one process; a server has 100 for everybody by default. */
export const connectionsMaxDefault = 10;
/** Calls that wait for a connection (G8). */
export const waitingCallsMax = 4_000;
const connectMsMax = 5_000;
/** The server ends a statement after this time; we stop waiting for its answer a little later. */
const statementMsMax = 10_000;
const answerMsMax = 15_000;
/** A transaction that the database gave up because of another one is repeated so often. */
const attemptsMax = 6;
/** What the pool says where a connection did not become free in time; one that could not be made it tells otherwise. */
const waitedTooLong = "timeout exceeded when trying to connect";
const backOffMsMin = 50;
const backOffMsMax = 2_000;
const overloadRetryMs = 500;

export type EngineLog = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
};

/** A statement that each connection prepares once, under its name. */
export type Statement = { readonly name: string; readonly text: string };
export type Value = string | number | boolean | null | readonly string[] | readonly number[];
/** Rows as objects, by the names of their columns; a null is an absent field. */
export type Query = <Row>(statement: Statement, ...values: readonly Value[]) => Promise<readonly Row[]>;

export type DatabaseOptions = {
  readonly url: string;
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly connectionsMax: number;
};

/**
 * The way to the database: a bounded pool of connections that are made again by themselves, and the translation of whatever fails.
 * While the database cannot be reached, one call at a time tries, with growing pauses; the others are refused at once.
 */
export class Database {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #log: EngineLog;
  readonly #busy = new Set<PoolClient>();
  #refusal: TidingsError | undefined;
  #isStopped = false;
  #writes = 0;
  #idle: (() => void)[] = [];
  #closedUntilMs = 0;
  #backOffMs = 0;

  constructor({ url, clock, log, connectionsMax }: DatabaseOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#pool = new Pool({ ...connectionSettings(url), max: connectionsMax });
    // Of connections that nobody uses at the moment; they leave the pool by themselves.
    // What says that a connection is ready and what says that its server dies may come in one piece: then nobody listens yet.
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
    this.#pool.on("error", (error) => log.warn({ err: error }, "A connection to PostgreSQL was lost."));
  }

  /** Calls that wait for a connection. */
  get waiting(): number {
    return this.#pool.waitingCount;
  }

  /** One statement that changes nothing. */
  read: Query = (statement, ...values) => this.#repeat((client) => ask(client, statement, values));

  /** One statement as a transaction of its own. */
  write: Query = (statement, ...values) =>
    this.#asWrite(() => this.#repeat((client) => ask(client, statement, values)));

  /** Several statements as one transaction; `work` runs again if the database gave it up because of another one. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#asWrite(() =>
      this.#repeat(async (client) => {
        await client.query("BEGIN");
        try {
          const result = await work((statement, ...values) => ask(client, statement, values));
          await client.query("COMMIT");
          return result;
        } catch (error) {
          if (!isConnectionSpent(error)) await client.query("ROLLBACK");
          throw error;
        }
      }),
    );
  }

  /** Takes no more writes, and resolves when those under way have ended. */
  async drain(): Promise<void> {
    this.#refusal ??= new TidingsError("unavailable", {
      detail: "The engine takes no more writes: it is being stopped.",
    });
    if (this.#writes > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const ended = this.#pool.end();
    // A connection with a statement under way is cut off, and its call rejected.
    for (const client of this.#busy) {
      // The pool's clients can be ended, which their type does not tell.
      if ("end" in client && typeof client.end === "function") void client.end();
    }
    await ended;
  }

  async #asWrite<T>(work: () => Promise<T>): Promise<T> {
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#writes += 1;
    try {
      return await work();
    } finally {
      this.#writes -= 1;
      if (this.#writes === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #repeat<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#withConnection(work);
      } catch (error) {
        if (isRepeatable(error) && attempt < attemptsMax) continue;
        throw isOutage(error) ? unavailable(error) : error;
      }
    }
  }

  async #withConnection<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#connect();
    this.#busy.add(client);
    let spent = false;
    // Its statement is rejected with it; without a listener the same error would end the process.
    const onError = (): void => {
      spent = true;
    };
    client.on("error", onError);
    try {
      return await work(client);
    } catch (error) {
      spent ||= isConnectionSpent(error);
      throw error;
    } finally {
      client.off("error", onError);
      this.#busy.delete(client);
      client.release(spent || this.#isStopped);
    }
  }

  async #connect(): Promise<PoolClient> {
    if (this.#isStopped) throw new TidingsError("unavailable", { detail: "The engine is stopped." });
    if (this.#pool.waitingCount >= waitingCallsMax) {
      const detail = "Too many calls wait for a connection to PostgreSQL.";
      throw new TidingsError("unavailable", { detail, retryAfterMs: overloadRetryMs });
    }
    const leftMs = this.#closedUntilMs - this.#clock.monotonicMs();
    if (leftMs > 0) {
      const detail = "PostgreSQL could not be reached a moment ago.";
      throw new TidingsError("unavailable", { detail, retryAfterMs: Math.ceil(leftMs) });
    }
    try {
      const client = await this.#pool.connect();
      if (this.#backOffMs > 0) this.#log.info({}, "PostgreSQL answers again.");
      this.#backOffMs = 0;
      return client;
    } catch (error) {
      if (error instanceof Error && error.message === waitedTooLong) throw unavailable(error, overloadRetryMs);
      throw this.#noteUnreachable(error);
    }
  }

  #noteUnreachable(error: unknown): TidingsError {
    const nowMs = this.#clock.monotonicMs();
    // Of many that failed together, one counts.
    if (nowMs >= this.#closedUntilMs) {
      if (this.#backOffMs === 0) this.#log.warn({ err: error }, "PostgreSQL cannot be reached; trying again.");
      this.#backOffMs = Math.min(Math.max(this.#backOffMs * 2, backOffMsMin), backOffMsMax);
      this.#closedUntilMs = nowMs + this.#backOffMs;
    }
    return unavailable(error, this.#backOffMs);
  }
}

async function ask<Row>(client: PoolClient, statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
  const { rows } = await client.query<Record<string, unknown>, unknown[]>({ ...statement, values: [...values] });
  for (const row of rows) {
    for (const [field, value] of Object.entries(row)) if (value === null) delete row[field];
  }
  return rows as Row[];
}

/** Types by their numbers in PostgreSQL's catalogue: int8, int2, int4 and numeric; bool. */
const numbers = new Set([20, 21, 23, 1_700]);
const bool = 16;

/** Numbers of the tables fit in a JavaScript number: seqs, times, positions. */
const types = {
  getTypeParser: (type: number) => (numbers.has(type) ? Number : type === bool ? isTrue : String),
};
const isTrue = (text: string): boolean => text === "t";

/**
 * Settings of a connection. Plans are made once, for any values, and always by index: all tables have one for each question that is
 * asked, and what a plan costs must not depend on how many rows there were when it was made.
 */
const sessionSettings = [
  `statement_timeout=${statementMsMax}`,
  `idle_in_transaction_session_timeout=${statementMsMax}`,
  `search_path=${schema}`,
  "plan_cache_mode=force_generic_plan",
  "enable_seqscan=off",
  "enable_hashjoin=off",
  "enable_mergejoin=off",
  "jit=off",
  "client_min_messages=warning",
  "TimeZone=UTC",
];

export const connectionSettings = (url: string) =>
  ({
    connectionString: url,
    application_name: "tidings",
    connectionTimeoutMillis: connectMsMax,
    query_timeout: answerMsMax,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    options: sessionSettings.map((setting) => `-c ${setting}`).join(" "),
    types,
  }) satisfies PoolConfig;
