import type { ErrorCode } from "./errors.ts";
import type { HttpOperation } from "./http.ts";

/** Every code that an operation may answer with: its own, and those that its shape brings with it. */
export function errorsOf(operation: HttpOperation): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>(operation.errors);
  for (const code of anywhere) codes.add(code);
  if (operation.auth) for (const code of withToken) codes.add(code);
  if (operation.body !== undefined) for (const code of withBody) codes.add(code);
  if (takesInput(operation)) codes.add("invalid-request");
  return [...codes];
}

const anywhere: readonly ErrorCode[] = [
  "bad-http",
  "headers-too-large",
  "request-timeout",
  "token-in-url",
  "origin-not-allowed",
  "rate-limited",
  "busy",
  "draining",
  "unavailable",
  "internal",
];

const withToken: readonly ErrorCode[] = ["unauthenticated", "token-invalid", "token-expired", "token-revoked"];

const withBody: readonly ErrorCode[] = [
  "invalid-json",
  "invalid-utf8",
  "too-deep",
  "body-too-large",
  "unsupported-media-type",
];

const takesInput = (operation: HttpOperation): boolean =>
  operation.body !== undefined ||
  [operation.params, operation.query].some((part) => "properties" in part && hasKeys(part.properties));

const hasKeys = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length > 0;
