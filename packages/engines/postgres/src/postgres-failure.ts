import { ArchiveRefusedError } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import { DatabaseError } from "pg";

/** What may be tried again as a whole, because the database says that it did nothing: serialisation failures and deadlocks. */
const repeatable = new Set(["40001", "40P01"]);

/**
 * Classes of SQLSTATE that only a fault of this program, or of who changed the tables, explains: unsupported features, data that do
 * not fit, broken constraints, wrong SQL.
 */
const faults = new Set(["0A", "21", "22", "23", "42"]);
const insufficientPrivilege = "42501";

/** The five characters by which PostgreSQL says what was wrong; undefined if it was not PostgreSQL that said it. */
export const sqlState = (error: unknown): string | undefined =>
  error instanceof DatabaseError ? error.code : undefined;

export const isRepeatable = (error: unknown): boolean => repeatable.has(sqlState(error) ?? "");

/**
 * Is it that the database does not answer, or cannot at the moment? Everything is that knows no better: a connection that is lost,
 * refused or slow, a server that starts, stops, recovers or is full. It says nothing about whether a statement under way had its effect.
 */
export function isOutage(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined) return !(error instanceof TidingsError || error instanceof ArchiveRefusedError);
  return state === insufficientPrivilege || !(faults.has(state.slice(0, 2)) || state.startsWith("TD"));
}

/** The connection cannot be used again: whatever was not PostgreSQL's own answer may have left it in the middle of one. */
export function isConnectionSpent(error: unknown): boolean {
  const state = sqlState(error);
  // 25006: this server is not the primary any more. 57P…: it stops, or was told to end this connection.
  return state === undefined || state === "25006" || state.startsWith("57P") || state.startsWith("08");
}

/** The failure as the ports know it. */
export function unavailable(error: unknown, retryAfterMs?: number): TidingsError {
  if (error instanceof TidingsError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const state = sqlState(error);
  return new TidingsError("unavailable", {
    detail: `PostgreSQL does not answer as it should: ${message}${state === undefined ? "" : ` (${state})`}.`,
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
