import { readFileSync } from "node:fs";
import { limits } from "@tidings/protocol";
import { isLoopbackHost } from "./loopback.ts";
import { isMachineRole, machineRoles } from "./machine-roles.ts";
import { isAddressRange, isHttpUrl, isNatsServer, isOrigin, isPostgresUrl } from "./settings-addresses.ts";
import { configFlag, type Flags, type Input, readConfig, readFlags } from "./settings-input.ts";
import {
  choice,
  fraction,
  integer,
  list,
  type Option,
  optionalText,
  type OptionValue,
  text,
} from "./settings-options.ts";

/**
 * What an operator can change, each option declared once: the flag, the environment variable, the default, the help text
 * and the type follow from the declaration. What the wire refuses is in the protocol's `limits` instead.
 */
export const settingOptions = {
  data: text({ default: "./data", help: "Folder of the database and of the secrets." }),
  host: text({ default: "127.0.0.1", help: "Address to listen on." }),
  port: integer({ default: 8484, min: 0, max: 65_535, help: "Port to listen on; 0 takes any free one." }),
  origins: list({
    help: "Origins of browser pages that may use this server, for instance https://chat.example.org; own and loopback ones may anyway.",
    each: { are: "origins like https://chat.example.org, or *", is: isOrigin },
  }),
  trustedProxies: list({
    help: "Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed.",
    each: { are: "addresses or CIDR ranges", is: isAddressRange },
  }),
  metrics: choice(["loopback", "open", "off"], {
    default: "loopback",
    help: "Who may read /metrics: requests of this machine, everybody, nobody.",
  }),
  logLevel: choice(["trace", "debug", "info", "warn", "error", "silent"], {
    default: "info",
    help: "Least level that is logged.",
  }),

  signUp: choice(["loopback", "open", "closed"], {
    default: "loopback",
    help: "Who may sign up: requests of this machine while the server listens on loopback, everybody, nobody.",
  }),
  signUpsPerMinute: integer({ default: { loopback: 6_000, elsewhere: 10 }, min: 1, help: "Sign-ups of one address." }),
  loginAttemptsPerMinute: integer({
    default: { loopback: 6_000, elsewhere: 10 },
    min: 1,
    help: "Password attempts for one name from one address; ten times as many for a name, and for an address, in all.",
  }),
  passwordHashesAtOnce: integer({
    default: 2,
    min: 1,
    max: 64,
    help: "Password hashes computed at the same time, 19 MiB each.",
  }),

  auth: choice(["local", "jwt"], { default: "local", help: "Accounts kept here, or tokens of an outside issuer." }),
  jwtSecretFile: optionalText({ help: "File with the secret of HS256 tokens, at least 32 bytes." }),
  jwtPublicKeyFile: optionalText({ help: "File with the issuer's public key, PEM (SPKI)." }),
  jwtJwksUrl: optionalText({ help: "Address of the issuer's key set (JWKS); https, except on loopback." }),
  jwtJwksFile: optionalText({ help: "File with the issuer's key set (JWKS); read again when it changes." }),
  jwtAlgorithms: list({
    help: "Signature algorithms that are accepted, of HS256, RS256, ES256 and EdDSA. Needed with auth jwt.",
  }),
  jwtIssuer: optionalText({ help: "The tokens' `iss`. Needed with auth jwt." }),
  jwtAudience: optionalText({ help: "What the tokens' `aud` must hold. Needed with auth jwt." }),
  jwtNameClaim: text({
    default: "preferred_username",
    help: "Claim with the user's unique name; `sub` where it is absent.",
  }),
  jwtClockToleranceMs: integer({
    default: 5_000,
    min: 0,
    max: 300_000,
    help: "How far the issuer's clock may be off.",
  }),

  messagesPerSecond: integer({ default: 50, min: 1, help: "Messages that one user may send." }),
  messagesBurst: integer({ default: 200, min: 1, help: "Messages that one user may send at once after a pause." }),
  requestsPerSecond: integer({
    default: 100,
    min: 1,
    help: "Other requests of one user, and all requests of an address without a token.",
  }),
  requestsBurst: integer({ default: 400, min: 1, help: "Such requests at once after a pause." }),
  requestsUnderWayPerUser: integer({
    default: 64,
    min: 2,
    help: "Requests of one user that are answered at the same time, long polls among them.",
  }),
  sessionsPerUser: integer({ default: 20, min: 1, help: "Sessions that one user may have." }),
  sessionsMax: integer({ default: 50_000, min: 1, help: "Sessions of this machine." }),
  loginsPerSecond: integer({ default: 500, min: 1, help: "First sessions of clients that are admitted." }),
  resumesPerSecond: integer({ default: 2_000, min: 1, help: "Resumed sessions that are admitted." }),
  pendingConnectionsPerAddress: integer({
    default: { loopback: 20_000, elsewhere: 200 },
    min: 1,
    help: "Connections of one address that have not shown a token yet.",
  }),

  helloTimeoutMs: integer({ default: 10_000, min: 100, help: "How long a new socket may take to say hello." }),
  headersTimeoutMs: integer({
    default: 10_000,
    min: 100,
    help: "How long the headers of a request may take to arrive.",
  }),
  requestTimeoutMs: integer({ default: 30_000, min: 100, help: "How long a whole request may take to arrive." }),
  keepAliveMs: integer({ default: 65_000, min: 1_000, help: "How long an idle HTTP connection is kept." }),
  heartbeatMs: integer({
    default: limits.heartbeatMs,
    min: 100,
    max: limits.heartbeatMs,
    help: "A session learns within this time of whatever it does not have.",
  }),
  pollAfterMs: integer({ default: 1_000, min: 0, help: "When a short poller is asked to come back." }),
  pollAnswersPerSecond: integer({
    default: 1_000,
    min: 1,
    help: "Woken long polls answered; beyond it answers wait for their turn and gather more entries.",
  }),
  slowSessionBytes: integer({
    default: 64 * 1024,
    min: 1024,
    help: "Unsent bytes of a socket above which it gets heads instead of entries, until it has caught up.",
  }),
  drainMs: integer({
    default: 5_000,
    min: 0,
    help: "Time over which sessions are sent away when the server stops; where others take them over, a minute is gentle.",
  }),

  databaseUrl: optionalText({
    help: "PostgreSQL of a fleet, postgres://user:password@host:5432/database. With NATS it makes the server a machine of a fleet.",
    must: { be: "an address like postgres://user@host:5432/database", is: isPostgresUrl },
  }),
  databaseUrlFile: optionalText({ help: "File with that address, in place of it." }),
  databaseConnectionsMax: integer({
    default: 10,
    min: 2,
    max: 1_000,
    help: "Connections of this machine to PostgreSQL, beside one for the change feed where it runs the notifier.",
  }),
  natsServers: list({
    help: "NATS of a fleet, a few of its servers, for instance nats-1:4222,nats-2:4222; tls://host:port encrypts.",
    each: { are: "addresses like host:4222 or tls://host:4222, without a password", is: isNatsServer, isSecret: true },
  }),
  natsCredentialsFile: optionalText({ help: "File with the credentials (.creds) that NATS wants of this machine." }),
  natsUserFile: optionalText({ help: "File with the user's name for NATS, where it wants a name and a password." }),
  natsPasswordFile: optionalText({ help: "File with the password to it." }),
  natsMonitorUrls: list({
    help: "HTTP monitoring addresses of all NATS servers, for the doctor: it asks them how they sync to disk.",
    each: { are: "addresses like http://nats-1:8222", is: isHttpUrl, isSecret: true },
  }),
  installation: text({
    default: "tidings",
    help: "Name of the fleet in NATS, which several may share: a-z, 0-9 and -, 32 at most. Each has a PostgreSQL database of its own.",
    must: {
      be: "1 to 32 of a-z, 0-9 and -, beginning with a letter",
      is: (name) => /^[a-z][a-z0-9-]{0,31}$/.test(name),
    },
  }),
  logReplicas: integer({
    default: 3,
    min: 1,
    max: 5,
    help: "NATS servers that hold each record of the Message Log. Fewer than 3 is asked for, never assumed.",
  }),
  logBytesMax: integer({
    default: 8 * 1024 ** 3,
    min: 64 * 1024 ** 2,
    help: "Room of the Message Log in NATS, fixed when it is made; a full log refuses messages. Each replica's server needs as much.",
  }),
  logHours: integer({
    default: 14 * 24,
    min: 1,
    max: 10_000,
    help: "How long the Message Log keeps records, stored or not: what no worker stores within it is lost.",
  }),
  engineRetryMsMax: integer({
    default: 10_000,
    min: 100,
    max: 300_000,
    help: "Longest pause between two attempts to reach PostgreSQL and NATS at the start.",
  }),

  otlpUrl: optionalText({
    help: "Where traces go, OTLP over HTTP, for instance http://localhost:4318. None are made without it.",
    must: { be: "an address like http://localhost:4318, without a password", is: isHttpUrl },
  }),
  traceRatio: fraction({ default: 0.01, help: "Share of requests and batches that is traced, 0 to 1." }),

  roles: list({
    default: machineRoles,
    help: "What a machine of a fleet does, of send, receive, group and worker. A server of its own does everything.",
    each: { are: `of ${machineRoles.join(", ")}`, is: isMachineRole },
  }),
  partitions: integer({
    default: 64,
    min: 1,
    max: 4_096,
    help: "Partitions of a fleet's Message Log, fixed when it is made: workers share them, so at least a few for each worker.",
  }),
  workerLeaseMs: integer({
    default: 800,
    min: 100,
    max: 60_000,
    help: "Time after which others take over what a worker held that died.",
  }),
  machineLeaseMs: integer({
    default: 10_000,
    min: 1_000,
    max: 600_000,
    help: "Time after which a machine that died counts as gone, with all its sessions.",
  }),
} as const satisfies Record<string, Option<unknown>>;

export type Settings = { readonly [Name in keyof typeof settingOptions]: OptionValue<(typeof settingOptions)[Name]> };

/** The operator's mistakes, all of them, a sentence each. */
export class SettingsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options: { cause?: unknown } = {}) {
    super(problems.join("\n"), options);
    this.name = "SettingsError";
    this.problems = problems;
  }
}

/**
 * Reads flags (`--trusted-proxies=…` or `--trusted-proxies …`), variables (`TIDINGS_TRUSTED_PROXIES`) and the configuration file that
 * `--config` names, or `TIDINGS_CONFIG_FILE` does; a flag wins over a variable, a variable over the file. Throws a SettingsError that
 * names every unknown flag and key, and every value that is out of its range.
 */
export function parseSettings(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readText: (path: string) => string = (path) => readFileSync(path, "utf8"),
): Settings {
  const problems: string[] = [];
  const flags: Flags = new Map(
    settingNames.map((name) => [flagOf(name), { name, isList: settingOptions[name].placeholder === "A,B" }]),
  );
  const fromFlags = readFlags(argv, flags, problems);
  const config = fromFlags.config ?? (env[configVariable] || undefined);
  const given = new Map<string, Input>(config === undefined ? [] : readConfigFile(config));
  for (const name of settingNames) {
    const variable = variableOf(name);
    const value = env[variable];
    if (value !== undefined && value !== "") given.set(name, { text: value, where: variable });
  }
  for (const [name, input] of fromFlags.given) given.set(name, input);

  const values = new Map<string, unknown>();
  for (const name of settingNames) {
    const option: Option<unknown> = settingOptions[name];
    const input = given.get(name);
    const loopback = isLoopbackHost(String(values.get("host") ?? settingOptions.host.defaultFor(true)));
    if (input === undefined) {
      values.set(name, option.defaultFor(loopback));
      continue;
    }
    const read = option.read(input.text);
    if ("problem" in read) problems.push(`${input.where} ${read.problem}.`);
    else values.set(name, read.value);
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return Object.fromEntries(values) as Settings;

  function readConfigFile(path: string): Iterable<readonly [string, Input]> {
    try {
      return readConfig({ path, text: readText(path) }, flags, problems);
    } catch (error) {
      problems.push(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}.`);
      return [];
    }
  }
}

/** Variables that begin like ours and are none: worth a warning, since a misspelt one would go unnoticed. */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set<string>([...settingNames.map(variableOf), ...variablesOfOthers]);
  return Object.keys(env).filter((name) => name.startsWith("TIDINGS_") && !known.has(name));
}

/** The options as lines for `--help`. */
export function settingsHelp(): string {
  const lines = settingNames.map((name) => {
    const option: Option<unknown> = settingOptions[name];
    return `  --${flagOf(name)} ${option.placeholder}\n      ${option.help}\n      ${option.defaultText}; ${variableOf(name)}`;
  });
  const config = [
    `  --${configFlag} FILE`,
    "      JSON with any of the settings below, keys spelt like the flags.",
    `      default: none; ${configVariable}`,
  ];
  return [...config, ...lines].join("\n");
}

export type SettingName = keyof typeof settingOptions;
export const settingNames = Object.keys(settingOptions) as readonly SettingName[];

/** Of the command line, and of who starts a server for himself. */
/** Not `TIDINGS_CONFIG`, which is the command line's folder of logins. */
const configVariable = "TIDINGS_CONFIG_FILE";

const variablesOfOthers = [
  configVariable,
  "TIDINGS_URL",
  "TIDINGS_CONFIG",
  "TIDINGS_PASSWORD",
  "TIDINGS_PROFILE",
  "TIDINGS_TOKEN",
  "TIDINGS_DEBUG",
  "TIDINGS_END_WITH_PARENT",
];

export const flagOf = (name: SettingName): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
export const variableOf = (name: SettingName): string => `TIDINGS_${flagOf(name).replaceAll("-", "_").toUpperCase()}`;
