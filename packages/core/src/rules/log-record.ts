import type { LoggedRequest } from "../ports/log-image.ts";

/** The requests of one record of the Message Log as text. */
export function encodeLogRecord(requests: readonly LoggedRequest[]): string {
  return joinLogRecord(requests.map(encodeLoggedRequest));
}

/** One request, for `joinLogRecord`. */
export function encodeLoggedRequest(request: LoggedRequest): string {
  return JSON.stringify(request);
}

/** A record of requests that are encoded already. Takes 24 bytes of its own, and one between two requests. */
export function joinLogRecord(requests: readonly string[]): string {
  return `{"v":${recordVersion},"requests":[${requests.join(",")}]}`;
}

/** Undefined for what is no record of ours: a worker sets it aside, so that it does not stop those behind it. */
export function decodeLogRecord(body: string): readonly LoggedRequest[] | undefined {
  let record: unknown;
  try {
    record = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(record) || record["v"] !== recordVersion || !Array.isArray(record["requests"])) return undefined;
  return record["requests"].every(isRequest) ? record["requests"] : undefined;
}

/** A reader that does not know a version sets its records aside; so a new version is read everywhere before it is written. */
const recordVersion = 1;

function isRequest(value: unknown): value is LoggedRequest {
  if (!isObject(value) || typeof value["conversation"] !== "string") return false;
  const { drafts, key, ifGroupSeq } = value;
  if (!isObject(key) || typeof key["sender"] !== "string" || typeof key["messageId"] !== "string") return false;
  if (ifGroupSeq !== undefined && !Number.isInteger(ifGroupSeq)) return false;
  return Array.isArray(drafts) && drafts.length > 0 && drafts.every(isDraft);
}

function isDraft(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["kind"] === "string" &&
    Number.isFinite(value["atMs"]) &&
    typeof value["json"] === "string" &&
    value["json"].startsWith("{") &&
    value["json"].endsWith("}")
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
