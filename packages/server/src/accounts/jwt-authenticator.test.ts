import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import { TidingsError } from "@tidings/protocol";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { pino } from "pino";
import { createRealRandom } from "../real/real-random.ts";
import { parseSettings, SettingsError } from "../settings.ts";
import { openHttpRig } from "../testing/http-rig.ts";
import { createJwtAuthenticator } from "./jwt-authenticator.ts";

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

const issuer = "https://id.example.org/";
const audience = "tidings";
const secret = "0123456789abcdef0123456789abcdef";
let folder: string;
let rsa: Keys;
let otherRsa: Keys;
let ec: Keys;
let ed: Keys;
let publicPem: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidings-jwt-"));
  [rsa, otherRsa, ec, ed] = await Promise.all([
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("ES256", { extractable: true }),
    generateKeyPair("EdDSA", { extractable: true }),
  ]);
  publicPem = await exportSPKI(rsa.publicKey);
});
afterAll(() => rm(folder, { recursive: true }));

async function write(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

async function open(flags: readonly string[], clock: ManualClock = createManualClock()) {
  const base = { stores: createMemoryStores(), clock, random: createRealRandom(), log: pino({ level: "silent" }) };
  const all = ["--auth=jwt", `--jwt-issuer=${issuer}`, `--jwt-audience=${audience}`, ...flags];
  const authenticator = await createJwtAuthenticator(base, parseSettings(all, {}));
  return { ...base, authenticator, codeOf: (token: string) => codeOf(authenticator.authenticate(token)) };
}

const withSecret = async () =>
  open([`--jwt-secret-file=${await write("secret", `${secret}\n`)}`, "--jwt-algorithms=HS256"]);
const withPublicKey = async () =>
  open([`--jwt-public-key-file=${await write("key.pem", publicPem)}`, "--jwt-algorithms=RS256"]);

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  try {
    await outcome;
    return "good";
  } catch (error) {
    if (error instanceof TidingsError) return error.code;
    throw error;
  }
}

/** A good token of the issuer at the manual clock's start, unless told otherwise. */
async function sign(
  key: Parameters<SignJWT["sign"]>[0],
  alg: string,
  change: { claims?: JWTPayload; header?: Record<string, string> } = {},
): Promise<string> {
  const nowS = 1_700_000_000;
  const claims = {
    iss: issuer,
    aud: audience,
    sub: "ann@example.org".replace("@", ":"),
    iat: nowS,
    exp: nowS + 600,
    ...change.claims,
  };
  return new SignJWT(claims).setProtectedHeader({ alg, ...change.header }).sign(key);
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const secretKey = new TextEncoder().encode(secret);
const jwks = async (keys: Record<string, Keys>) => ({
  keys: await Promise.all(
    Object.entries(keys).map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid })),
  ),
});

describe("a token of the issuer", () => {
  it("says who its user is, and makes him known here", async () => {
    const { authenticator, stores } = await withSecret();
    const claims = { jti: "j1", preferred_username: "ann@example.org", name: "Ann of Cleves" };
    const caller = await authenticator.authenticate(await sign(secretKey, "HS256", { claims }));
    const user = { user_id: "ann:example.org", name: "ann-example.org", display_name: "Ann of Cleves" };
    expect(caller).toEqual({ user, token: "j1", expiresAtMs: 1_700_000_605_000 });
    expect(await stores.accounts.find({ names: ["ann-example.org"] })).toHaveLength(1);
  });

  it("is taken with every kind of key that the operator allowed", async () => {
    const file = await write("all.json", JSON.stringify(await jwks({ rsa, ec, ed })));
    const { codeOf } = await open([`--jwt-jwks-file=${file}`, "--jwt-algorithms=RS256,ES256,EdDSA"]);
    for (const [kid, alg, { privateKey }] of [
      ["rsa", "RS256", rsa],
      ["ec", "ES256", ec],
      ["ed", "EdDSA", ed],
    ] as const) {
      expect([alg, await codeOf(await sign(privateKey, alg, { header: { kid } }))]).toEqual([alg, "good"]);
    }
  });

  it("gets a free name if another user has the one that he wants", async () => {
    const { authenticator } = await withSecret();
    const claims = { preferred_username: "ann" };
    await authenticator.authenticate(await sign(secretKey, "HS256", { claims: { ...claims, sub: "1" } }));
    const other = await authenticator.authenticate(await sign(secretKey, "HS256", { claims: { ...claims, sub: "2" } }));
    expect(other.user.name).toBe("ann-2");
  });

  it("stops being valid at its expiry, also while it is remembered", async () => {
    const { authenticator, clock } = await withSecret();
    const token = await sign(secretKey, "HS256");
    expect(await codeOf(authenticator.authenticate(token))).toBe("good");
    await (clock as ManualClock).advance(604_999);
    expect(await codeOf(authenticator.authenticate(token))).toBe("good");
    await (clock as ManualClock).advance(1);
    expect(await codeOf(authenticator.authenticate(token))).toBe("token-expired");
  });
});

describe("a token", () => {
  const nowS = 1_700_000_000;
  const wrong: [what: string, claims: JWTPayload, code: string][] = [
    ["of a foreign issuer", { iss: "https://elsewhere.example" }, "token-invalid"],
    ["without an issuer", { iss: undefined as never }, "token-invalid"],
    ["for a foreign audience", { aud: "another" }, "token-invalid"],
    ["for many audiences, ours not among them", { aud: ["a", "b"] }, "token-invalid"],
    ["that has expired", { exp: nowS - 60 }, "token-expired"],
    ["that is not valid yet", { nbf: nowS + 60 }, "token-invalid"],
    ["without an expiry", { exp: undefined as never }, "token-invalid"],
    ["without a user", { sub: undefined as never }, "token-invalid"],
    ["whose user could not be one of ours", { sub: "a~b" }, "token-invalid"],
    ["whose user is too long", { sub: "a".repeat(65) }, "token-invalid"],
    ["within the tolerance of clocks", { exp: nowS - 3, nbf: nowS + 3 }, "good"],
  ];
  it.each(wrong)("%s: %j → %s", async (_what, claims, code) => {
    const { codeOf } = await withSecret();
    expect(await codeOf(await sign(secretKey, "HS256", { claims }))).toBe(code);
  });

  it("that was forged is invalid", async () => {
    const { codeOf } = await withSecret();
    const good = await sign(secretKey, "HS256");
    const [header = "", payload = "", signature = ""] = good.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
    const forged = [
      await sign(new TextEncoder().encode("another secret of thirty-two byte"), "HS256"),
      `${header}.${encode({ ...claims, sub: "root" })}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${encode({ alg: "none" })}.${payload}.`,
      `${encode({ alg: "None" })}.${payload}.${signature}`,
      `${encode({ alg: "HS256", crit: ["exp"] })}.${payload}.${signature}`,
      "not a token",
      `${good}.`,
      "a".repeat(9_000),
    ];
    for (const token of forged)
      expect([token.slice(0, 80), await codeOf(token)]).toEqual([token.slice(0, 80), "token-invalid"]);
    expect(await codeOf(good)).toBe("good");
  });

  it("that is signed with the public key as if it were a secret is invalid", async () => {
    const { codeOf } = await withPublicKey();
    expect(await codeOf(await sign(rsa.privateKey, "RS256"))).toBe("good");
    for (const bytes of [publicPem, publicPem.trim()]) {
      expect(await codeOf(await sign(new TextEncoder().encode(bytes), "HS256"))).toBe("token-invalid");
    }
    expect(await codeOf(await sign(otherRsa.privateKey, "RS256"))).toBe("token-invalid");
  });

  it("that is signed with a secret in the key set is invalid", async () => {
    const set = await jwks({ rsa });
    const oct = { kty: "oct", kid: "oct", k: Buffer.from(secret).toString("base64url") };
    const file = await write("oct.json", JSON.stringify({ keys: [...set.keys, oct] }));
    const { codeOf } = await open([`--jwt-jwks-file=${file}`, "--jwt-algorithms=RS256"]);
    expect(await codeOf(await sign(secretKey, "HS256", { header: { kid: "oct" } }))).toBe("token-invalid");
  });
});

describe("keys that change", () => {
  it("are taken from a file again: new ones at once, old ones until a minute later", async () => {
    const clock = createManualClock();
    const file = await write("rotating.json", JSON.stringify(await jwks({ old: rsa })));
    const { codeOf } = await open([`--jwt-jwks-file=${file}`, "--jwt-algorithms=RS256"], clock);
    const oldToken = await sign(rsa.privateKey, "RS256", { header: { kid: "old" } });
    const newToken = await sign(otherRsa.privateKey, "RS256", { header: { kid: "new" } });
    expect([await codeOf(oldToken), await codeOf(newToken)]).toEqual(["good", "token-invalid"]);

    await writeFile(file, JSON.stringify(await jwks({ new: otherRsa })));
    expect(await codeOf(newToken)).toBe("token-invalid");
    await clock.advance(1_000);
    expect(await codeOf(newToken)).toBe("good");
    expect(await codeOf(oldToken)).toBe("good");
    await clock.advance(60_001);
    expect(await codeOf(oldToken)).toBe("token-invalid");
  });

  it("are fetched from an address, and not being able to is nobody's fault", async () => {
    const served: { status: number; set: object } = { status: 200, set: await jwks({ one: rsa, two: otherRsa }) };
    const server: Server = createServer((_request, response) => {
      response.writeHead(served.status, { "content-type": "application/json" }).end(JSON.stringify(served.set));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    const flags = [`--jwt-jwks-url=${url}`, "--jwt-algorithms=RS256"];
    const first = await open(flags);
    expect(await first.codeOf(await sign(otherRsa.privateKey, "RS256", { header: { kid: "two" } }))).toBe("good");
    // It does not say which key: each of them is tried.
    expect(await first.codeOf(await sign(otherRsa.privateKey, "RS256"))).toBe("good");
    expect(await first.codeOf(await sign(ec.privateKey, "ES256"))).toBe("token-invalid");
    expect(await first.codeOf(await sign(rsa.privateKey, "RS256", { header: { kid: "unknown" } }))).toBe(
      "token-invalid",
    );

    served.status = 500;
    const second = await open(flags);
    expect(await second.codeOf(await sign(rsa.privateKey, "RS256", { header: { kid: "one" } }))).toBe("unavailable");
    await new Promise((resolve) => server.close(resolve));
    const third = await open(flags);
    expect(await third.codeOf(await sign(rsa.privateKey, "RS256", { header: { kid: "one" } }))).toBe("unavailable");
  });
});

describe("settings that do not tell good tokens from others", () => {
  const refused: [what: string, flags: () => Promise<string[]>][] = [
    ["no key", async () => ["--jwt-algorithms=RS256"]],
    ["no algorithm", async () => [`--jwt-public-key-file=${await write("k", publicPem)}`]],
    [
      "HS256 with a public key",
      async () => [`--jwt-public-key-file=${await write("k", publicPem)}`, "--jwt-algorithms=RS256,HS256"],
    ],
    ["RS256 with a secret", async () => [`--jwt-secret-file=${await write("s", secret)}`, "--jwt-algorithms=RS256"]],
    ["none", async () => [`--jwt-secret-file=${await write("s", secret)}`, "--jwt-algorithms=none"]],
    ["a short secret", async () => [`--jwt-secret-file=${await write("s", "short")}`, "--jwt-algorithms=HS256"]],
    ["a missing file", async () => [`--jwt-secret-file=${join(folder, "missing")}`, "--jwt-algorithms=HS256"]],
    ["keys over plain http", async () => ["--jwt-jwks-url=http://id.example.org/keys", "--jwt-algorithms=RS256"]],
    [
      "two sources of keys",
      async () => [`--jwt-secret-file=${await write("s", secret)}`, "--jwt-jwks-file=x", "--jwt-algorithms=HS256"],
    ],
  ];
  it.each(refused)("are refused: %s", async (_what, flags) => {
    await expect(open(await flags())).rejects.toBeInstanceOf(SettingsError);
  });

  it("are refused without issuer or audience", async () => {
    const flags = ["--auth=jwt", `--jwt-secret-file=${await write("s", secret)}`, "--jwt-algorithms=HS256"];
    await expect(openHttpRig({ flags })).rejects.toBeInstanceOf(SettingsError);
  });
});

describe("a server with an outside issuer", () => {
  it("takes its tokens, and manages no accounts itself", async () => {
    const clock = createManualClock();
    const flags = ["--auth=jwt", `--jwt-issuer=${issuer}`, `--jwt-audience=${audience}`, "--jwt-algorithms=HS256"];
    const rig = await openHttpRig({ clock, flags: [...flags, `--jwt-secret-file=${await write("s", secret)}`] });
    const token = await sign(secretKey, "HS256");
    expect((await rig.call("me", { token })).user_id).toBe("ann:example.org");
    const group = await rig.call("createGroup", { token, body: { name: "Outside" } });
    expect(group.role).toBe("owner");
    const body = { name: "ann", password: "correct horse" };
    expect((await rig.refusal("createAccount", { body })).code).toBe("accounts-elsewhere");
    expect((await rig.refusal("createToken", { body })).code).toBe("accounts-elsewhere");
    expect((await rig.refusal("listTokens", { token })).code).toBe("accounts-elsewhere");
    expect((await rig.refusal("me", { token: `tdg_${"a".repeat(16)}_${"a".repeat(32)}` })).code).toBe("token-invalid");
    await rig.close();
  });
});
