import { TidingsError } from "@tidings/protocol";
import type { Logger } from "pino";
import { encodeFrame } from "./frames.ts";
import type { About } from "./parse-client-frame.ts";

/** The error as the session is told it. */
export function errorFrame(error: TidingsError, about: About): Buffer {
  const { sentence, retryable } = error.entry;
  return encodeFrame({
    type: "error",
    code: error.code,
    detail: error.detail ?? sentence,
    retryable,
    ...(error.retryAfterMs === undefined ? {} : { retry_after_ms: error.retryAfterMs }),
    ...about,
  });
}

/** An expected failure as it is; anything else is a bug, logged here once and told as `internal`. */
export function toTidingsError(error: unknown, log?: Logger): TidingsError {
  if (error instanceof TidingsError) return error;
  log?.error({ err: error }, "A session met a fault.");
  return new TidingsError("internal", { cause: error });
}
