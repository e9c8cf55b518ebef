import { errorCatalogue, type Problem, type TidingsError } from "@tidings/protocol";

/** The failure as problem details (RFC 9457). A fault of the program tells its reader nothing but that. */
export function problemOf(error: TidingsError): Problem {
  const { status, sentence, retryable } = errorCatalogue[error.code];
  return {
    type: `/docs/protocol.md#${error.code}`,
    title: sentence,
    status,
    code: error.code,
    detail: error.detail ?? sentence,
    retryable,
    ...(error.retryAfterMs !== undefined && { retry_after_ms: error.retryAfterMs }),
  };
}

/** Seconds, as `Retry-After` wants them; never before the retry time. */
export const retryAfterSeconds = (error: TidingsError): string | undefined =>
  error.retryAfterMs === undefined ? undefined : String(Math.ceil(error.retryAfterMs / 1_000));

export const problemType = "application/problem+json; charset=utf-8";
