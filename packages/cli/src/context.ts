import { createApi } from "@tidings/client";
import type { TidingsApi } from "@tidings/client";
import { configFolder, createLoginStore } from "./config.ts";
import type { Login, LoginStore } from "./config.ts";
import { refusal, usageFailure } from "./failure.ts";
import { createOutput } from "./output.ts";
import type { Output } from "./output.ts";

/** Where a server listens unless told otherwise. */
export const defaultUrl = "http://127.0.0.1:8484";

/** The options that every command takes. */
export type CommonOptions = {
  readonly url?: string;
  readonly as?: string;
  readonly profile?: string;
  readonly json?: boolean;
};

/** What a command works with. */
export type Context = {
  readonly url: string;
  /** Was it given on the command line? */
  readonly urlGiven: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly out: Output;
  readonly configFolder: string;
  readonly logins: LoginStore;
  /** The API without a token, for signing up and logging in. */
  readonly publicApi: TidingsApi;
  /** The current login, or that of `--as`. Rejects where there is none. */
  login(): Promise<Login>;
  /** The API as the user of `login`. */
  api(): Promise<TidingsApi>;
};

export function createContext(options: CommonOptions & { urlGiven: boolean }, env: NodeJS.ProcessEnv): Context {
  const url = checkUrl(options.url ?? (env["TIDINGS_URL"] || defaultUrl));
  const folder = configFolder(env);
  const logins = createLoginStore(folder, url);
  const profile = options.as ?? options.profile ?? (env["TIDINGS_PROFILE"] || undefined);
  const login = async (): Promise<Login> => {
    if (env["TIDINGS_TOKEN"] && profile === undefined) {
      return { user_id: "", name: "", token: env["TIDINGS_TOKEN"] };
    }
    const known = await logins.load(profile);
    if (known !== undefined) return known;
    const whom = profile === undefined ? "You are not logged in" : `Nobody is logged in as ${profile}`;
    throw refusal(
      `${whom} at ${url}. First: tidings login ${profile ?? "NAME"} (or tidings signup ${profile ?? "NAME"}).`,
    );
  };
  return {
    url,
    urlGiven: options.urlGiven,
    env,
    out: createOutput({ json: options.json ?? false, stdout: process.stdout, stderr: process.stderr }),
    configFolder: folder,
    logins,
    publicApi: createApi({ url }),
    login,
    api: async () => createApi({ url, token: (await login()).token }),
  };
}

/** An absolute http(s) address without a slash at its end, credentials, query or fragment. */
export function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw usageFailure(`${text} is not an address such as ${defaultUrl}.`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw usageFailure("The address of a server holds no user, password, query or fragment.");
  }
  return url.href.replace(/\/+$/, "");
}
