import { TidingsError } from "@tidings/protocol";
import type { FastifyReply } from "fastify";
import type { Logger } from "pino";
import { problemOf, problemType, retryAfterSeconds } from "./problem.ts";

/** Answers with a failure. A fault of the program is logged here, once, and tells its reader nothing. */
export function sendProblem(reply: FastifyReply, thrown: unknown, log: Logger): FastifyReply {
  const error = toTidingsError(thrown);
  if (error.code === "internal") {
    log.error(
      { err: error.cause ?? error, operation: reply.request.routeOptions.config.operation },
      "A request failed.",
    );
  }
  const retryAfter = retryAfterSeconds(error);
  if (retryAfter !== undefined) void reply.header("retry-after", retryAfter);
  const { status } = error.entry;
  if (status === 401) void reply.header("www-authenticate", 'Bearer realm="tidings"');
  // Whoever is too slow, too large or unreadable is not listened to any longer.
  if (connectionEnding.has(error.code)) void reply.header("connection", "close");
  return reply
    .code(status)
    .header("content-type", problemType)
    .send(JSON.stringify(problemOf(error)));
}

const connectionEnding: ReadonlySet<string> = new Set(["body-too-large", "bad-http", "request-timeout"]);

/** What the HTTP library throws, in our words. */
function toTidingsError(thrown: unknown): TidingsError {
  if (thrown instanceof TidingsError) return thrown;
  switch (Reflect.get(Object(thrown), "code")) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new TidingsError("body-too-large");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new TidingsError("unsupported-media-type");
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
    case "FST_ERR_BAD_URL":
    case "ECONNRESET":
      return new TidingsError("bad-http");
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new TidingsError("not-found");
    default:
      return new TidingsError("internal", { cause: thrown });
  }
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The operation's name, for metrics and the log. */
    readonly operation?: string;
  }
}
