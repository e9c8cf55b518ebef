export { createApi } from "./api.ts";
export type { ApiOptions, ApiRequest, FetchLike, FetchRequest, FetchResponse, TidingsApi } from "./api.ts";
export { createClient } from "./client.ts";
export { ClientStoppedError, OutboxFullError, UnreachableError } from "./errors.ts";
export type * from "./types.ts";
