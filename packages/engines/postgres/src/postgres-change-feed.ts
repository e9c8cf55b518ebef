import { type Change, type ChangeFeed, type Clock, invariant } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { Database } from "./database.ts";
import { consumerOf, lsnOf, positionOf, slotNameOf, slotPrefix } from "./feed-positions.ts";
import { sqlState, unavailable } from "./postgres-failure.ts";
import { ReplicationStream } from "./replication-stream.ts";

export type PostgresChangeFeed = { readonly feed: ChangeFeed; stop(): Promise<void> };

/** How long the server may take to end an old connection of a consumer. */
const takeOverMsMax = 5_000;

/** The change feed by logical replication (decision 18): a slot for each consumer, whose confirmed position is the consumer's. */
export function createPostgresChangeFeed(options: { db: Database; url: string; clock: Clock }): PostgresChangeFeed {
  const { db, url, clock } = options;
  const stopped = new AbortController();
  const streams = new Map<string, ReplicationStream>();
  const iterating = new Set<string>();
  /** What was advanced to here, which the server may learn later. */
  const done = new Map<string, number>();

  const databaseOf = async (): Promise<number> => (await db.read<{ oid: number }>(selectDatabase))[0]?.oid ?? 0;

  const slotOf = async (consumer: string): Promise<Slot> => {
    const name = slotNameOf(await databaseOf(), consumer);
    const [known] = await db.read<SlotRow>(selectSlot, name);
    if (known !== undefined) return { name, position: positionOf(known.lsn), pid: known.pid };
    await refuseWrongLevel(db);
    try {
      const [made] = await db.write<SlotRow>(createSlot, name);
      return { name, position: positionOf(made?.lsn ?? "0/0"), pid: undefined };
    } catch (error) {
      // Another process makes it at the same time; it is there in a moment.
      throw sqlState(error) === slotExists ? unavailable(error) : error;
    }
  };

  async function* iterate(consumer: string, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
    invariant(!iterating.has(consumer), `The consumer ${consumer} iterates already.`);
    iterating.add(consumer);
    const either = AbortSignal.any([signal, stopped.signal]);
    let stream: ReplicationStream | undefined;
    try {
      if (either.aborted) return;
      const slot = await slotOf(consumer);
      if (either.aborted) return;
      // Of a machine that died, or of an iteration that has just ended.
      if (slot.pid !== undefined) await db.write(endConnection, slot.pid, takeOverMsMax);
      const position = Math.max(slot.position, done.get(consumer) ?? 0);
      done.set(consumer, position);
      stream = new ReplicationStream({ url, clock, done: position });
      streams.set(consumer, stream);
      stream.start(slot.name);
      for (;;) {
        const batch = await stream.take(either);
        if (batch === undefined) break;
        await db.read(awaitVisible, batch.transactions);
        yield batch.changes;
      }
    } catch (error) {
      throw error instanceof TidingsError || stream === undefined ? error : unavailable(error);
    } finally {
      if (stream !== undefined) {
        done.set(consumer, Math.max(done.get(consumer) ?? 0, stream.done));
        streams.delete(consumer);
        await stream.stop();
      }
      iterating.delete(consumer);
    }
  }

  const advanceSlot = async (consumer: string, position: number): Promise<void> => {
    const slot = await slotOf(consumer);
    done.set(consumer, Math.max(slot.position, position));
    if (slot.position >= position) return;
    try {
      await db.write(moveSlot, slot.name, lsnOf(position));
    } catch (error) {
      // A connection still holds it: the next iteration begins at the position, and confirms it.
      if (!(error instanceof TidingsError && sqlState(error.cause) === slotInUse)) throw error;
    }
  };

  return {
    feed: {
      changes: iterate,
      async advance(consumer, position) {
        if (position <= (done.get(consumer) ?? -1)) return;
        const stream = streams.get(consumer);
        if (stream === undefined) return advanceSlot(consumer, position);
        done.set(consumer, position);
        stream.advance(position);
      },
      async positions() {
        const database = await databaseOf();
        const rows = await db.read<SlotRow & { slot?: string; newest: string }>(selectPositions, slotPrefix(database));
        const consumers = new Map<string, number>();
        for (const { slot, lsn } of rows) {
          if (slot === undefined) continue;
          const consumer = consumerOf(database, slot);
          const here = Math.max(done.get(consumer) ?? 0, streams.get(consumer)?.done ?? 0);
          consumers.set(consumer, Math.max(positionOf(lsn), here));
        }
        return { newest: positionOf(rows[0]?.newest ?? "0/0"), consumers };
      },
    },
    async stop() {
      stopped.abort();
      await Promise.all([...streams.values()].map((stream) => stream.stop()));
    },
  };
}

type Slot = { readonly name: string; readonly position: number; readonly pid: number | undefined };
type SlotRow = { readonly lsn: string; readonly pid?: number };

const slotInUse = "55006";
const slotExists = "42710";

async function refuseWrongLevel(db: Database): Promise<void> {
  const [row] = await db.read<{ level: string }>(selectLevel);
  if (row?.level === "logical") return;
  throw new TidingsError("unavailable", {
    detail: `The change feed needs PostgreSQL's setting wal_level = logical; it is ${row?.level}. Set it and restart PostgreSQL.`,
  });
}

const selectDatabase = {
  name: "database",
  text: "SELECT oid::bigint AS oid FROM pg_database WHERE datname = current_database()",
};
const selectLevel = { name: "wal-level", text: "SELECT current_setting('wal_level') AS level" };
const selectSlot = {
  name: "slot",
  text: `SELECT confirmed_flush_lsn AS lsn, active_pid AS pid FROM pg_replication_slots
    WHERE slot_name = $1 AND confirmed_flush_lsn IS NOT NULL`,
};
const createSlot = {
  name: "create-slot",
  text: "SELECT lsn FROM pg_create_logical_replication_slot($1, 'pgoutput')",
};
const moveSlot = { name: "move-slot", text: "SELECT pg_replication_slot_advance($1, $2::pg_lsn)" };
const endConnection = { name: "end-connection", text: "SELECT pg_terminate_backend($1, $2)" };
/** A transaction is in the log a moment before others see it; with a standby that has to answer first, a longer one. */
const awaitVisible = { name: "await-visible", text: "SELECT await_visible($1::bigint[])" };
/** One row without a slot if there is none: the newest position is asked for in any case. */
const selectPositions = {
  name: "positions",
  text: `SELECT pg_current_wal_flush_lsn() AS newest, s.slot_name AS slot, s.confirmed_flush_lsn AS lsn
    FROM (VALUES (1)) AS one LEFT JOIN pg_replication_slots s
      ON starts_with(s.slot_name, $1) AND s.database = current_database()
      AND s.confirmed_flush_lsn IS NOT NULL`,
};
