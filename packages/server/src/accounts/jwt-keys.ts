import { createPublicKey, createSecretKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, type JWTVerifyGetKey, errors } from "jose";
import type { Clock } from "@tidings/core";
import { isLoopbackHost } from "../loopback.ts";
import { type Settings, SettingsError } from "../settings.ts";

type KeySettings = Pick<
  Settings,
  "jwtSecretFile" | "jwtPublicKeyFile" | "jwtJwksUrl" | "jwtJwksFile" | "jwtAlgorithms"
>;

/**
 * Where the issuer's keys come from. Which algorithms a token may name is fixed by the operator for the kind of key that
 * he gave: a secret verifies HS256 only, a public key never does. So no token can have a public key taken for a secret.
 */
export type IssuerKeys = { readonly algorithms: string[]; readonly getKey: JWTVerifyGetKey };

/** Throws a SettingsError for a missing, unreadable or unfit key. */
export async function loadIssuerKeys(settings: KeySettings, clock: Clock): Promise<IssuerKeys> {
  const { jwtSecretFile, jwtPublicKeyFile, jwtJwksUrl, jwtJwksFile } = settings;
  const sources = [jwtSecretFile, jwtPublicKeyFile, jwtJwksUrl, jwtJwksFile].filter((one) => one !== undefined);
  if (sources.length !== 1) {
    throw new SettingsError([
      "auth jwt needs one of --jwt-secret-file, --jwt-public-key-file, --jwt-jwks-url and --jwt-jwks-file.",
    ]);
  }
  const algorithms = checkAlgorithms(settings.jwtAlgorithms, jwtSecretFile === undefined ? asymmetric : symmetric);
  if (jwtSecretFile !== undefined) {
    const secret = createSecretKey(await readSecret(jwtSecretFile));
    return { algorithms, getKey: async () => secret };
  }
  if (jwtPublicKeyFile !== undefined) {
    const key = await readPublicKey(jwtPublicKeyFile);
    return { algorithms, getKey: async () => key };
  }
  if (jwtJwksFile !== undefined) return { algorithms, getKey: await createFileKeySet(jwtJwksFile, clock) };
  return { algorithms, getKey: createUrlKeySet(jwtJwksUrl ?? "") };
}

const symmetric = ["HS256"];
const asymmetric = ["RS256", "ES256", "EdDSA"];
const secretBytesMin = 32;

function checkAlgorithms(wanted: readonly string[], allowed: readonly string[]): string[] {
  const wrong = wanted.filter((algorithm) => !allowed.includes(algorithm));
  if (wanted.length > 0 && wrong.length === 0) return [...wanted];
  throw new SettingsError([`--jwt-algorithms must be of ${allowed.join(", ")} with the kind of key that is given.`]);
}

async function readSecret(file: string): Promise<Buffer> {
  const secret = Buffer.from((await readKeyFile(file)).replace(/\r?\n$/, ""), "utf8");
  if (secret.length >= secretBytesMin) return secret;
  throw new SettingsError([`${file} must hold at least ${secretBytesMin} bytes.`]);
}

async function readPublicKey(file: string) {
  const pem = await readKeyFile(file);
  try {
    if (pem.includes("PRIVATE KEY")) throw new SettingsError([`${file} holds a private key; give the public one.`]);
    return createPublicKey(pem);
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    throw new SettingsError([`${file} must hold a public key, PEM (SPKI).`]);
  }
}

async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), "code");
    throw new SettingsError([`${file} cannot be read (${String(code)}).`]);
  }
}

/** The library keeps the set for ten minutes, and asks again for a key that is not in it, twice a minute at most. */
function createUrlKeySet(address: string): JWTVerifyGetKey {
  const url = URL.parse(address);
  const safe = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopbackHost(url.hostname));
  if (url === null || !safe) throw new SettingsError(["--jwt-jwks-url must be an https address (http on loopback)."]);
  return createRemoteJWKSet(url, { timeoutDuration: 5_000, cooldownDuration: 30_000, cacheMaxAge: 600_000 });
}

/** Reads the file again every minute, and for a key that is not in it, once a second at most. */
async function createFileKeySet(file: string, clock: Clock): Promise<JWTVerifyGetKey> {
  let keys = await read();
  let readAtMs = clock.monotonicMs();

  return async (header, token) => {
    if (clock.monotonicMs() - readAtMs > fileKeptMs) await readAgain();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || clock.monotonicMs() - readAtMs < fileRestMs) throw error;
      await readAgain();
      return keys(header, token);
    }
  };

  async function readAgain(): Promise<void> {
    readAtMs = clock.monotonicMs();
    keys = await read();
  }

  async function read(): Promise<JWTVerifyGetKey> {
    const text = await readKeyFile(file);
    try {
      return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
    } catch (cause) {
      throw new SettingsError([`${file} must hold a key set (JWKS).`], { cause });
    }
  }
}

const fileKeptMs = 60_000;
const fileRestMs = 1_000;
