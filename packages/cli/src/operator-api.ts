import { UnreachableError } from "@tidings/client";
import {
  errorCatalogue,
  type ErrorCode,
  explainPath,
  type ExplainRequest,
  type Explanation,
  TidingsError,
} from "@tidings/protocol";
import { refusal } from "./failure.ts";

/** What a server tells whoever is on its own machine. Without a token: who asks is the operator because he is there. */
export async function askToExplain(url: string, request: ExplainRequest): Promise<Explanation> {
  const { status, text } = await exchange(`${url}${explainPath}`, request);
  if (status === 200) return JSON.parse(text) as Explanation;
  const { code, detail } = problemOf(text);
  if (status === 404 && (code === undefined || code === "not-found")) {
    throw refusal(
      `${url} explains to nobody but commands on its own machine, without a proxy between; or it is older than this command.`,
    );
  }
  const known = code !== undefined && Object.hasOwn(errorCatalogue, code);
  throw new TidingsError(known ? (code as ErrorCode) : status >= 500 ? "unavailable" : "bad-http", {
    detail: detail ?? `The server answered with status ${status}.`,
  });
}

async function exchange(address: string, body: object): Promise<{ status: number; text: string }> {
  try {
    const headers = { accept: "application/json, application/problem+json", "content-type": "application/json" };
    const response = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    throw new UnreachableError(address, cause);
  }
}

function problemOf(text: string): { code?: string; detail?: string } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    // Not ours: a proxy's page, say. The status tells enough.
    return {};
  }
}
