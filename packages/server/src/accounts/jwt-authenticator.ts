import { hash } from "node:crypto";
import { limits, nameSchema, TidingsError, type User, type UserId, userIdSchema, validator } from "@tidings/protocol";
import { checkName } from "@tidings/core";
import { errors, type JWTPayload, jwtVerify, type JWTVerifyOptions } from "jose";
import { LruMap } from "../lru-map.ts";
import type { Authenticator, Base, Caller } from "../services.ts";
import { type Settings, SettingsError } from "../settings.ts";
import { loadIssuerKeys } from "./jwt-keys.ts";

/**
 * Tokens of an outside issuer. The algorithm, the issuer and the audience are those that the operator gave, never those
 * that the token names; a token without an expiry is refused, because nothing here could revoke it.
 *
 * Throws a SettingsError if the settings do not say enough to tell good tokens from others.
 */
export async function createJwtAuthenticator(base: Base, settings: Settings): Promise<Authenticator> {
  const { clock } = base;
  const { jwtIssuer: issuer, jwtAudience: audience } = settings;
  if (issuer === undefined || audience === undefined) {
    throw new SettingsError(["auth jwt needs --jwt-issuer and --jwt-audience."]);
  }
  const { algorithms, getKey } = await loadIssuerKeys(settings, clock);
  const expected = { algorithms, issuer, audience, requiredClaims: ["sub", "exp"] };
  const users = createUsers(base);
  const verified = new LruMap<string, { readonly caller: Caller; readonly untilMs: number }>(verifiedMax);

  return {
    async authenticate(token) {
      if (token.length > tokenLengthMax) throw new TidingsError("token-invalid");
      const digest = hash("sha256", token, "base64url");
      const known = verified.get(digest);
      if (known !== undefined && clock.monotonicMs() < known.untilMs) return checkExpiry(known.caller);
      const payload = await verify(token);
      const caller = checkExpiry({
        user: await users.userOf(payload, settings.jwtNameClaim),
        token: payload.jti ?? digest,
        ...(payload.exp !== undefined && { expiresAtMs: payload.exp * 1_000 + settings.jwtClockToleranceMs }),
      });
      verified.set(digest, { caller, untilMs: clock.monotonicMs() + verifiedForMs });
      return caller;
    },
  };

  async function verify(token: string): Promise<JWTPayload> {
    const options: JWTVerifyOptions = {
      ...expected,
      clockTolerance: settings.jwtClockToleranceMs / 1_000,
      currentDate: new Date(clock.nowMs()),
    };
    try {
      return (await jwtVerify(token, getKey, options)).payload;
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) return verifyWithAny(token, error, options);
      throw refusalOf(error);
    }
  }

  /** The token does not say which of several keys it was signed with: one of them must fit. */
  async function verifyWithAny(
    token: string,
    keys: errors.JWKSMultipleMatchingKeys,
    options: JWTVerifyOptions,
  ): Promise<JWTPayload> {
    for await (const key of keys) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw refusalOf(error);
      }
    }
    throw new TidingsError("token-invalid");
  }

  function checkExpiry(caller: Caller): Caller {
    if ((caller.expiresAtMs ?? 0) > clock.nowMs()) return caller;
    throw new TidingsError("token-expired");
  }
}

const tokenLengthMax = 8_192;
const verifiedMax = 50_000;
/** A signature costs some 100 µs to check. After this time it is checked again, so that a key that was withdrawn counts. */
const verifiedForMs = 60_000;

function refusalOf(error: unknown): TidingsError {
  if (error instanceof errors.JWTExpired) return new TidingsError("token-expired");
  // The set of keys could not be had: that is no fault of the token.
  const unreachable =
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error instanceof SettingsError ||
    !(error instanceof errors.JOSEError) ||
    error.code === "ERR_JOSE_GENERIC";
  if (!unreachable) return new TidingsError("token-invalid");
  return new TidingsError("unavailable", {
    detail: "The issuer's keys cannot be read at the moment.",
    retryAfterMs: 5_000,
    cause: error,
  });
}

/** Keeps the users that tokens speak of known to the Account DB, so that they can be found by name. */
function createUsers({ stores, clock }: Base) {
  const known = new LruMap<UserId, { readonly wanted: string; readonly user: User }>(knownUsersMax);

  return {
    /** Rejects with `token-invalid` for a `sub` that is no user id, `unavailable`. */
    async userOf(payload: JWTPayload, nameClaim: string): Promise<User> {
      const id = payload.sub;
      if (!isUserId(id)) throw new TidingsError("token-invalid", { detail: "The token's sub is not a user id." });
      const name = nameOf(payload[nameClaim], id);
      const displayName = displayNameOf(payload["name"]) ?? name;
      const wanted = JSON.stringify([name, displayName]);
      const found = known.get(id);
      if (found?.wanted === wanted) return found.user;
      const account = await stores.accounts.put({ user: id, name, displayName, createdAtMs: clock.nowMs() });
      const user = { user_id: id, name: account.name, display_name: account.displayName };
      known.set(id, { wanted, user });
      return user;
    },
  };
}

const knownUsersMax = 50_000;
const isUserId = accepts(validator(userIdSchema));
const isName = accepts(validator(nameSchema));

function accepts<T>(check: (value: unknown) => T): (value: unknown) => value is T {
  return (value): value is T => {
    try {
      check(value);
      return true;
    } catch {
      return false;
    }
  };
}

/** The claim, or the `sub`, with what a name cannot hold replaced: `ann@example.org` becomes `ann-example.org`. */
function nameOf(claim: unknown, id: UserId): string {
  const name = String(typeof claim === "string" && claim !== "" ? claim : id)
    .replace(/[^A-Za-z0-9_.-]/g, "-")
    .replace(/^[.-]+/, "")
    .slice(0, limits.nameLengthMax);
  return isName(name) ? name : "user";
}

function displayNameOf(claim: unknown): string | undefined {
  if (typeof claim !== "string") return undefined;
  try {
    return checkName([...claim].slice(0, limits.displayNameLengthMax).join(""));
  } catch {
    return undefined;
  }
}
