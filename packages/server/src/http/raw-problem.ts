import { STATUS_CODES } from "node:http";
import type { TidingsError } from "@tidings/protocol";
import { problemOf, problemType, retryAfterSeconds } from "./problem.ts";

/** A whole HTTP answer as text, for a connection that has no request (yet), or is no HTTP. It is the connection's last. */
export function rawProblem(error: TidingsError): string {
  const problem = problemOf(error);
  const body = JSON.stringify(problem);
  const retryAfter = retryAfterSeconds(error);
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? "Error"}`,
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter}`]),
    "cache-control: no-store",
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
