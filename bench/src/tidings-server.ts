import { createHmac, randomUUID } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHttpCalls, type HttpCalls, metricValue } from "./load/http-calls.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const program = fileURLToPath(new URL("../../packages/server/src/main.ts", import.meta.url));
const httpConnections = 128;

/** What the bench itself is the issuer of: signing up 5,000 users would measure Argon2. */
const secret = "the-bench-signs-its-own-tokens-with-this-one";
const issuer = "tidings-bench";
const audience = "tidings";

/** Tidings on a folder of its own. */
export type TidingsServer = {
  readonly process: ServerProcess;
  readonly http: HttpCalls;
  /** Transactions and entries that the Messaging DB has committed since the process began. */
  readonly storeCounts: () => Promise<{ commits: number; appends: number }>;
  /** SIGKILL; the data stay. */
  readonly kill: () => Promise<void>;
  /** Starts it again on the same data, as another process on another port. */
  readonly restart: () => Promise<TidingsServer>;
  /** Starts another one on a copy of the data, with further flags for Node. This one must have ended. */
  readonly twin: (furtherFlags: readonly string[]) => Promise<TidingsServer>;
  /** Ends it and deletes its data. */
  readonly close: () => Promise<void>;
};

/**
 * Starts the server with its defaults, but for rates that one machine's load would run into. `nodeFlags` go to Node, for
 * a profile.
 */
export async function startTidings(folder: string, nodeFlags: readonly string[] = []): Promise<TidingsServer> {
  const own = mkdtempSync(join(folder, "tidings-"));
  mkdirSync(join(own, "data"));
  return startOn(own, nodeFlags);
}

/** Settings of every server under measurement; writes the secret of the bench's tokens into the folder. */
export function benchFlags(folder: string): readonly string[] {
  const secretFile = join(folder, "jwt-secret");
  writeFileSync(secretFile, secret, { mode: 0o600 });
  return [
    ...["--log-level=warn", "--drain-ms=0"],
    ...["--auth=jwt", "--jwt-algorithms=HS256", `--jwt-secret-file=${secretFile}`],
    ...[`--jwt-issuer=${issuer}`, `--jwt-audience=${audience}`],
    ...["--messages-per-second=1000000", "--messages-burst=1000000"],
    ...["--requests-per-second=1000000", "--requests-burst=1000000", "--logins-per-second=100000"],
  ];
}

async function startOn(own: string, nodeFlags: readonly string[]): Promise<TidingsServer> {
  const flags = ["--data", join(own, "data"), "--port", "0", ...benchFlags(own)];
  const server = await startServer([...nodeFlags, program, "serve", ...flags]);
  const http = createHttpCalls(server.port, httpConnections);
  return {
    process: server,
    http,
    storeCounts: async () => {
      const metrics = await http.text("/metrics");
      return {
        commits: metricValue(metrics, "tidings_store_commits_total"),
        appends: metricValue(metrics, "tidings_store_appends_total"),
      };
    },
    kill: async () => {
      http.close();
      await server.kill();
    },
    restart: () => startOn(own, nodeFlags),
    twin: (furtherFlags) => {
      const copy = `${own}-${randomUUID().slice(0, 8)}`;
      cpSync(own, copy, { recursive: true });
      return startOn(copy, [...nodeFlags, ...furtherFlags]);
    },
    close: async () => {
      http.close();
      await server.stop();
      rmSync(own, { recursive: true });
    },
  };
}

/** A token of the bench's users: HS256, valid for an hour. */
export function tokenFor(user: string): string {
  const nowS = Math.floor(Date.now() / 1000);
  const claims = { sub: user, preferred_username: user, iss: issuer, aud: audience, iat: nowS, exp: nowS + 3_600 };
  const signed = [{ alg: "HS256", typ: "JWT" }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
