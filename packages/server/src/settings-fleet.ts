import { readFileSync } from "node:fs";
import { secretsOfUrl } from "./secrets.ts";
import { machineRoles } from "./machine-roles.ts";
import { isPostgresUrl } from "./settings-addresses.ts";
import { type Settings, SettingsError } from "./settings.ts";

/** The engines of a fleet as this machine reaches them; with the secrets in it, which are for the engines alone. */
export type FleetPlace = {
  readonly databaseUrl: string;
  readonly natsServers: readonly string[];
  readonly natsCredentials: NatsCredentials;
};

/** What NATS is shown; empty where it wants nothing. */
export type NatsCredentials = {
  /** The content of a `.creds` file. */
  readonly credentials?: string;
  readonly user?: string;
  readonly password?: string;
};

/**
 * Whether these settings are those of a machine of a fleet: with PostgreSQL and NATS it is one, with neither the server has its database
 * inside (undefined). Throws a SettingsError with everything that is amiss between the settings, and files that cannot be read.
 */
export function fleetPlaceOf(
  settings: Settings,
  readText: (path: string) => string = (path) => readFileSync(path, "utf8"),
): FleetPlace | undefined {
  const problems: string[] = [];
  const readSecret = createSecretReader(readText, problems);
  const hasDatabase = settings.databaseUrl !== undefined || settings.databaseUrlFile !== undefined;
  const hasNats = settings.natsServers.length > 0;
  if (!hasDatabase && !hasNats) {
    checkEmbedded(settings, problems);
    if (problems.length > 0) throw new SettingsError(problems);
    return undefined;
  }
  if (!hasNats) problems.push("--database-url makes a machine of a fleet, which needs --nats-servers too.");
  if (!hasDatabase) problems.push("--nats-servers makes a machine of a fleet, which needs --database-url too.");
  if (settings.roles.length === 0) problems.push("--roles must name a role: a machine without one does nothing.");
  if (settings.logReplicas % 2 === 0) {
    problems.push("--log-replicas must be 1, 3 or 5: an even number costs a server and outlives no further loss.");
  }
  const databaseUrl = findDatabaseUrl(settings, { problems, readSecret });
  const natsCredentials = readCredentials();
  if (problems.length > 0) throw new SettingsError(problems);
  return { databaseUrl, natsServers: settings.natsServers, natsCredentials };

  function readCredentials(): NatsCredentials {
    const { natsCredentialsFile, natsUserFile, natsPasswordFile } = settings;
    if ((natsUserFile === undefined) !== (natsPasswordFile === undefined)) {
      problems.push("--nats-user-file and --nats-password-file belong together.");
    }
    if (natsCredentialsFile !== undefined && natsUserFile !== undefined) {
      problems.push("NATS is shown --nats-credentials-file or a name and a password, not both.");
    }
    return {
      ...(natsCredentialsFile !== undefined && { credentials: readSecret(natsCredentialsFile) }),
      ...(natsUserFile !== undefined && { user: readSecret(natsUserFile) }),
      ...(natsPasswordFile !== undefined && { password: readSecret(natsPasswordFile) }),
    };
  }
}

/** The address of PostgreSQL in settings, for who needs nothing else of a fleet; undefined where none is named. Throws a SettingsError. */
export function databaseUrlOf(settings: Settings): string | undefined {
  const problems: string[] = [];
  const readSecret = createSecretReader((path) => readFileSync(path, "utf8"), problems);
  const url = findDatabaseUrl(settings, { problems, readSecret });
  if (problems.length > 0) throw new SettingsError(problems);
  return url === "" ? undefined : url;
}

/** Empty if there is none; what is amiss goes to `problems`. */
function findDatabaseUrl(
  { databaseUrl: url, databaseUrlFile: file }: Settings,
  { problems, readSecret }: { problems: string[]; readSecret: (file: string) => string },
): string {
  if (url !== undefined && file !== undefined) {
    problems.push("--database-url and --database-url-file name the same thing; give one of them.");
  }
  if (url !== undefined || file === undefined) return url ?? "";
  const text = readSecret(file);
  // What is empty or could not be read is said already.
  if (text !== "" && !isPostgresUrl(text)) {
    problems.push(`${file} must hold an address like postgres://user@host:5432/database.`);
  }
  return text;
}

/** Reads files with one secret each; what is amiss goes to `problems`, and the secret is empty then. */
function createSecretReader(readText: (path: string) => string, problems: string[]): (file: string) => string {
  return (file) => {
    try {
      const text = readText(file).trim();
      if (text === "") problems.push(`${file} is empty.`);
      return text;
    } catch (error) {
      problems.push(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}.`);
      return "";
    }
  };
}

/** What nobody may see of it. */
export function secretsOf({ databaseUrl, natsCredentials }: FleetPlace): readonly string[] {
  const { credentials, password } = natsCredentials;
  const given = [...secretsOfUrl(databaseUrl), credentials, password];
  return given.filter((secret) => secret !== undefined);
}

/** Settings that would be without effect are mistakes: somebody meant something else. */
function checkEmbedded(settings: Settings, problems: string[]): void {
  if (machineRoles.some((role) => !settings.roles.includes(role))) {
    problems.push("A server with its database inside does everything: --roles are for machines of a fleet.");
  }
  const ofNats = [settings.natsCredentialsFile, settings.natsUserFile, settings.natsPasswordFile];
  if (ofNats.some((file) => file !== undefined) || settings.natsMonitorUrls.length > 0) {
    problems.push(
      "What is said about NATS is for a machine of a fleet, which needs --nats-servers and --database-url.",
    );
  }
}
