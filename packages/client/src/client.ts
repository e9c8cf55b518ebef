import type { ClientOptions, TidingsClient } from "./types.ts";

/** A client that is not started yet. Throws when an option is out of its range. */
export function createClient(options: ClientOptions): TidingsClient {
  throw new Error(`The client for ${options.url} is composed in the following commits.`);
}
