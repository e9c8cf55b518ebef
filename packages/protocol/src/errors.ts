/**
 * The one list of expected failures. A code is stable for ever; its sentence may be reworded.
 *
 * - `status`: of the HTTP answer (RFC 9457 problem+json).
 * - `close`: the WebSocket close code when the failure ends the session; absent where the session goes on.
 * - `retryable`: the same request may succeed later, unchanged.
 *
 * Close codes: 1000–1015 as in RFC 6455; 44xx: do not come back with the same token or request; 45xx: come back,
 * after `retry_after_ms` where one was given.
 */
export const errorCatalogue = {
  "invalid-json": { status: 400, close: 4400, retryable: false, sentence: "The body or frame is not JSON." },
  "invalid-utf8": { status: 400, close: 1007, retryable: false, sentence: "The body or frame is not UTF-8." },
  "invalid-request": { status: 400, retryable: false, sentence: "A field is missing, unknown or of a wrong type." },
  "unknown-type": { status: 400, retryable: false, sentence: "No frame has this type." },
  "binary-frame": { status: 400, close: 1003, retryable: false, sentence: "Frames are JSON text, not binary." },
  "too-deep": { status: 400, retryable: false, sentence: "Objects and arrays nest too deep." },
  "body-too-large": { status: 413, retryable: false, sentence: "The body is larger than bodyBytesMax." },
  "frame-too-large": { status: 413, close: 1009, retryable: false, sentence: "The frame is larger than frameBytesMax." },
  "text-too-large": { status: 413, retryable: false, sentence: "The text of a message is larger than textBytesMax." },
  "metadata-too-large": { status: 413, retryable: false, sentence: "The metadata is larger than metadataBytesMax." },
  "hello-expected": { status: 400, close: 4400, retryable: false, sentence: "The first frame, and only it, is hello." },
  "hello-timeout": { status: 408, close: 4508, retryable: true, sentence: "No hello came in time." },
  "too-many-errors": { status: 400, close: 4400, retryable: false, sentence: "Too many bad frames in one session." },
  "unsupported-protocol": { status: 400, retryable: false, sentence: "The WebSocket subprotocol tidings.v1 is needed." },
  "request-timeout": { status: 408, retryable: true, sentence: "The request did not arrive in time." },
  "bad-http": { status: 400, retryable: false, sentence: "The request is not HTTP as we understand it." },
  "headers-too-large": { status: 431, retryable: false, sentence: "The headers are larger than headerBytesMax." },
  "unsupported-media-type": { status: 415, retryable: false, sentence: "Bodies are application/json." },
  "not-found": { status: 404, retryable: false, sentence: "There is nothing at this address." },
  "method-not-allowed": { status: 405, retryable: false, sentence: "This address does not take this method." },
  unauthenticated: { status: 401, close: 4401, retryable: false, sentence: "A token is needed." },
  "token-invalid": { status: 401, close: 4401, retryable: false, sentence: "The token is not one of ours." },
  "token-expired": { status: 401, close: 4401, retryable: false, sentence: "The token has expired." },
  "token-revoked": { status: 401, close: 4401, retryable: false, sentence: "The token was revoked." },
  "token-in-url": { status: 400, close: 4400, retryable: false, sentence: "A token never travels in a URL, where logs keep it." },
  "credentials-wrong": { status: 401, retryable: false, sentence: "Name and password do not match." },
  "sign-up-closed": { status: 403, retryable: false, sentence: "This server does not let people sign up by themselves." },
  "accounts-elsewhere": { status: 403, retryable: false, sentence: "Accounts of this server are kept by an outside identity provider." },
  "origin-not-allowed": { status: 403, retryable: false, sentence: "A browser page of this origin may not use this server." },
  "not-a-member": { status: 403, retryable: false, sentence: "Only members of the conversation may do this." },
  "role-required": { status: 403, retryable: false, sentence: "The member's role does not allow this." },
  banned: { status: 403, retryable: false, sentence: "The user is banned from the group." },
  "group-private": { status: 403, retryable: false, sentence: "The group is joined by invitation only." },
  "conversation-not-found": { status: 404, retryable: false, sentence: "No such conversation, or none that the user may know of." },
  "user-not-found": { status: 404, retryable: false, sentence: "No such user." },
  "token-not-found": { status: 404, retryable: false, sentence: "The user has no such token." },
  "invite-not-found": { status: 404, retryable: false, sentence: "The invitation does not exist, has expired, was revoked or is used up." },
  "not-a-group": { status: 409, retryable: false, sentence: "A direct conversation has no members, roles or invitations to manage." },
  "name-taken": { status: 409, retryable: false, sentence: "The name belongs to another account." },
  "out-of-turn": { status: 409, retryable: true, sentence: "An earlier message of this session was refused; it comes first." },
  "seq-beyond-head": { status: 409, retryable: false, sentence: "The conversation has no entry at this position yet." },
  "conflict": { status: 409, retryable: true, sentence: "The group kept changing meanwhile." },
  "group-full": { status: 409, retryable: false, sentence: "The group has as many members as it can have." },
  "too-many-conversations": { status: 409, retryable: false, sentence: "The user is in as many conversations as he can be." },
  "too-many-tokens": { status: 409, retryable: false, sentence: "The user has as many tokens as he can have; revoke one." },
  "too-many-invites": { status: 409, retryable: false, sentence: "The group has as many invitations as it can have; revoke one." },
  "too-many-sessions": { status: 429, close: 4529, retryable: true, sentence: "The user has as many sessions as he can have." },
  "too-many-connections": { status: 429, close: 4529, retryable: true, sentence: "Too many connections from this address wait for their hello." },
  "too-many-attempts": { status: 429, retryable: true, sentence: "Too many attempts; wait." },
  "rate-limited": { status: 429, retryable: true, sentence: "Too many requests or messages; wait." },
  busy: { status: 503, close: 4503, retryable: true, sentence: "The server admits sessions at its own pace; come back later." },
  draining: { status: 503, close: 1001, retryable: true, sentence: "This machine stops; come back, another one will answer." },
  unavailable: { status: 503, retryable: true, sentence: "A database does not answer at the moment." },
  "heartbeat-missed": { status: 408, close: 4508, retryable: true, sentence: "The client answered no ping." },
  internal: { status: 500, close: 1011, retryable: true, sentence: "A fault of the server, which its log describes." },
} as const satisfies Record<string, CatalogueEntry>;

export type CatalogueEntry = {
  readonly status: number;
  readonly close?: number;
  readonly retryable: boolean;
  readonly sentence: string;
};

export type ErrorCode = keyof typeof errorCatalogue;

export const errorCodes = Object.keys(errorCatalogue) as readonly ErrorCode[];

/**
 * An expected failure on its way to whoever asked. `detail` says what was wrong this time, for a person;
 * it never holds a token or a message's text. `retryAfterMs` is for retryable codes.
 */
export class TidingsError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, options: { detail?: string; retryAfterMs?: number; cause?: unknown } = {}) {
    super(options.detail ?? errorCatalogue[code].sentence, { cause: options.cause });
    this.name = "TidingsError";
    this.code = code;
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
  }

  get entry(): CatalogueEntry {
    return errorCatalogue[this.code];
  }
}
