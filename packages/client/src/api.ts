import {
  errorCatalogue,
  httpOperations,
  TidingsError,
  type ErrorCode,
  type HttpAnswer,
  type HttpBody,
  type HttpOperationName,
  type HttpParams,
  type HttpQuery,
} from "@tidings/protocol";
import { UnreachableError } from "./errors.ts";

/** Every HTTP operation of the protocol, by its name in `httpOperations`. */
export interface TidingsApi {
  /**
   * One request. Rejects with the server's TidingsError, with `UnreachableError` where no answer came, or with the
   * signal's reason. Never retries.
   */
  call<N extends HttpOperationName>(operation: N, ...request: ApiArguments<N>): Promise<HttpAnswer<N>>;
}

export type ApiOptions = {
  readonly url: string;
  /** Absent: only operations without authentication. */
  readonly token?: string | (() => string | Promise<string>);
  readonly fetch?: FetchLike;
};

type Required<N extends HttpOperationName> = (keyof HttpParams<N> extends never
  ? unknown
  : { readonly params: HttpParams<N> }) &
  (HttpBody<N> extends undefined ? unknown : { readonly body: HttpBody<N> });
export type ApiRequest<N extends HttpOperationName> = Required<N> & {
  readonly query?: HttpQuery<N>;
  readonly signal?: AbortSignal;
};
type ApiArguments<N extends HttpOperationName> =
  unknown extends Required<N> ? [request?: ApiRequest<N>] : [request: ApiRequest<N>];

/** The part of the platform's `fetch` that is used. */
export type FetchLike = (url: string, request: FetchRequest) => Promise<FetchResponse>;
export type FetchRequest = {
  method: string;
  headers: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
};
export type FetchResponse = {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
};

export function createApi(options: ApiOptions): TidingsApi {
  const send = options.fetch ?? (fetch as FetchLike);
  const base = options.url.endsWith("/") ? options.url : `${options.url}/`;

  return {
    async call<N extends HttpOperationName>(name: N, ...[request]: ApiArguments<N>): Promise<HttpAnswer<N>> {
      const operation = httpOperations[name];
      const given: LooseRequest = request ?? {};
      const url = `${base}${pathOf(operation.path, given.params)}${queryOf(given.query)}`;
      const headers: Record<string, string> = { accept: "application/json, application/problem+json" };
      if (operation.auth && options.token !== undefined) {
        headers["authorization"] =
          `Bearer ${typeof options.token === "string" ? options.token : await options.token()}`;
      }
      const outgoing: FetchRequest = { method: operation.method, headers };
      if (given.signal !== undefined) outgoing.signal = given.signal;
      if (given.body !== undefined) {
        headers["content-type"] = "application/json";
        outgoing.body = JSON.stringify(given.body);
      }
      const { status, retryAfter, text } = await exchange(send, url, outgoing);
      if (status !== operation.status) throw errorOf(status, retryAfter, text);
      return (text === "" ? undefined : parse(status, text)) as HttpAnswer<N>;
    },
  };
}

type LooseRequest = { params?: object; query?: object; body?: unknown; signal?: AbortSignal };

function pathOf(path: string, params: object = {}): string {
  const values = params as Record<string, string>;
  return path.slice(1).replace(/:([a-z_]+)/g, (_, name: string) => encodeURIComponent(values[name] ?? ""));
}

function queryOf(query: object = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search}`;
}

async function exchange(send: FetchLike, url: string, request: FetchRequest) {
  try {
    const response = await send(url, request);
    return { status: response.status, retryAfter: response.headers.get("retry-after"), text: await response.text() };
  } catch (cause) {
    if (request.signal?.aborted) throw request.signal.reason;
    throw new UnreachableError(url, cause);
  }
}

/** A problem of the catalogue; or what comes nearest to the status where something in between answered, or a newer server. */
function errorOf(status: number, retryAfter: string | null, text: string): TidingsError {
  const problem = problemOf(text);
  const retryAfterMs = problem.retry_after_ms ?? secondsToMs(retryAfter);
  const known = problem.code !== undefined && Object.hasOwn(errorCatalogue, problem.code);
  const code = known ? (problem.code as ErrorCode) : nearestCode(status);
  const detail = problem.detail ?? problem.code ?? `The server answered with status ${status}.`;
  return new TidingsError(code, retryAfterMs === undefined ? { detail } : { detail, retryAfterMs });
}

function problemOf(text: string): { code?: string; detail?: string; retry_after_ms?: number } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    // Not ours: a proxy's page, say. The status tells enough.
    return {};
  }
}

function parse(status: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TidingsError("bad-http", { detail: `The server answered ${status} without JSON.`, cause });
  }
}

function secondsToMs(retryAfter: string | null): number | undefined {
  const seconds = retryAfter === null ? Number.NaN : Number(retryAfter);
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

function nearestCode(status: number): ErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 404) return "not-found";
  if (status === 408) return "request-timeout";
  if (status === 413) return "body-too-large";
  if (status === 429) return "rate-limited";
  if (status >= 500) return "unavailable";
  return "bad-http";
}
