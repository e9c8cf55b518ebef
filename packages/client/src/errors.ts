import { TidingsError } from "@tidings/protocol";

/** No answer came: the server is not there, or the network failed or took too long. `cause` says which. Retryable. */
export class UnreachableError extends TidingsError {
  constructor(url: string, cause: unknown) {
    super("unavailable", { detail: `${url} cannot be reached: ${reasonOf(cause)}.`, cause });
    this.name = "UnreachableError";
  }
}

/** The client was stopped before the server answered. */
export class ClientStoppedError extends TidingsError {
  constructor(cause?: unknown) {
    super("unavailable", { detail: "The client was stopped before the server answered.", cause });
    this.name = "ClientStoppedError";
  }
}

/** The outbox is full (G8): wait until some sends are settled. */
export class OutboxFullError extends TidingsError {
  constructor(messagesMax: number) {
    super("rate-limited", { detail: `The outbox holds ${messagesMax} messages that are not acknowledged yet.` });
    this.name = "OutboxFullError";
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // The platform's fetch says only "fetch failed"; what failed is in its cause.
  const inner = cause.cause instanceof Error ? cause.cause : cause;
  const code = "code" in inner && typeof inner.code === "string" ? inner.code : undefined;
  return code ?? inner.message;
}
