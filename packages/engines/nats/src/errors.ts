import { TidingsError } from "@tidings/protocol";
import { JetStreamApiError } from "@nats-io/jetstream";

/** The server's own numbers for its answers, as its `errors.json` lists them. */
const wrongLastSequence = [10071, 10164];
const storeFailed = 10077;
const resourcesExceeded = [10047, 10023, 10028];
const notFound = [10037, 10043, 10057, 10059, 10014];

/** An expected failure of the servers, as the ports know it. */
export function unavailable(cause: unknown): TidingsError {
  if (cause instanceof TidingsError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  return new TidingsError("unavailable", { detail: `NATS does not answer as it should: ${said}.`, cause });
}

/** Somebody else wrote the key meanwhile. */
export const isConflict = (error: unknown): boolean => hasCode(error, wrongLastSequence);
/** The server refuses what is new, and stored nothing. */
export const isFull = (error: unknown): boolean =>
  hasCode(error, resourcesExceeded) ||
  (hasCode(error, [storeFailed]) && /maximum (bytes|messages)/.test((error as Error).message));
export const isNotFound = (error: unknown): boolean => hasCode(error, notFound);
export const isNameInUse = (error: unknown): boolean => hasCode(error, [10058]);

const hasCode = (error: unknown, codes: readonly number[]): boolean =>
  error instanceof JetStreamApiError && codes.includes(error.code);
