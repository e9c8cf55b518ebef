import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { asUserId, type ErrorCode, errorCatalogue } from "@tidings/protocol";
import { RawSocket } from "./src/raw-socket.ts";
import { expectProblem, password, serveTests, type Tidings, type TestUser } from "./src/tidings-process.ts";

/** A token is refused in the same words by every operation and by the socket, which then does not stay open. */
async function expectRefused(tidings: Tidings, token: string, code: ErrorCode): Promise<void> {
  const user: TestUser = { id: asUserId("u_anybody"), name: "anybody", token };
  for (const line of ["GET /v1/me", "GET /v1/conversations", "POST /v1/sync", "POST /v1/conversations/g_a/messages"]) {
    const answer = await tidings.request(user, line);
    expectProblem(answer, code);
    expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect(answer.text).not.toContain(token);
  }
  const socket = await RawSocket.open(tidings.port);
  socket.send({ type: "hello", token, have: {} });
  await socket.expectEnd(code);
}

describe("a local token", () => {
  const tidings = serveTests();

  test("is needed", async () => {
    expectProblem(await tidings().request(undefined, "GET /v1/me"), "unauthenticated");
    for (const authorization of ["Basic YTpi", "Bearer", "Bearer  ", "tdg_a_b"]) {
      const answer = await tidings().request(undefined, "GET /v1/me", { headers: { authorization } });
      expectProblem(answer, "unauthenticated");
    }
  });

  test("is refused if it is forged: another secret, another id, cut, longer, or of nobody", async () => {
    const { token } = await tidings().user();
    const [, id = "", secret = ""] = token.split("_");
    const flipped = (text: string) => (text.startsWith("a") ? "b" : "a") + text.slice(1);
    for (const forged of [
      `tdg_${id}_${flipped(secret)}`,
      `tdg_${flipped(id)}_${secret}`,
      token.slice(0, -1),
      `${token}a`,
      token.toUpperCase(),
      `tdg_${"a".repeat(16)}_${"a".repeat(32)}`,
      "x".repeat(8_000),
    ]) {
      await expectRefused(tidings(), forged, "token-invalid");
    }
  });

  test("is refused from the moment it is revoked, and its sessions end at once", async () => {
    const user = await tidings().user();
    const other = await tidings().ask<{ token: string }>(undefined, "POST /v1/tokens", { name: user.name, password });
    const socket = await RawSocket.open(tidings().port);
    await socket.hello(other.token);
    const untouched = await RawSocket.open(tidings().port);
    await untouched.hello(user.token);

    await tidings().ask({ ...user, token: other.token }, "DELETE /v1/tokens/current");
    await socket.expectEnd("token-revoked");
    await expectRefused(tidings(), other.token, "token-revoked");
    untouched.send({ type: "sync", request: 1, have: {} });
    while ((await untouched.next("synced")).request !== 1);
    untouched.destroy();
  });

  test("is not told apart from one that never was, without its secret", async () => {
    const user = await tidings().user();
    await tidings().ask(user, "DELETE /v1/tokens/current");
    await expectRefused(tidings(), `${user.token.slice(0, -4)}aaaa`, "token-invalid");
  });
});

const folder = mkdtempSync(join(tmpdir(), "tidings-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));

const issuer = "https://issuer.example";
const audience = "tidings";
const secret = "a secret of the suite, of more than 32 bytes";
const ours = generateKeyPairSync("rsa", { modulusLength: 2048 });
const theirs = generateKeyPairSync("rsa", { modulusLength: 2048 });
const publicPem = String(ours.publicKey.export({ type: "spki", format: "pem" }));
const files = { publicKey: join(folder, "public.pem"), secret: join(folder, "secret") };
writeFileSync(files.publicKey, publicPem);
writeFileSync(files.secret, secret);

type Claims = Readonly<Record<string, unknown>>;

/** A token made by hand, so that it can be wrong in every way. */
function jwt(header: Claims, claims: Claims, signer: (input: string) => Buffer): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${input}.${signer(input).toString("base64url")}`;
}

const nowS = (): number => Math.floor(Date.now() / 1_000);
const claimsOf = (sub: string): Claims => ({ sub, iss: issuer, aud: audience, iat: nowS(), exp: nowS() + 3_600 });
const rs256 = (claims: Claims, key: KeyObject = ours.privateKey): string =>
  jwt({ alg: "RS256", typ: "JWT" }, claims, (input) => sign("sha256", Buffer.from(input), key));
const hs256 = (claims: Claims, key: string = secret): string =>
  jwt({ alg: "HS256", typ: "JWT" }, claims, (input) => createHmac("sha256", key).update(input).digest());
const unsigned = (alg: string, claims: Claims): string => jwt({ alg, typ: "JWT" }, claims, () => Buffer.alloc(0));

const jwtFlags = (algorithm: string, ...keyFlags: string[]): string[] => [
  ...["--auth", "jwt", "--jwt-algorithms", algorithm, ...keyFlags],
  ...["--jwt-issuer", issuer, "--jwt-audience", audience, "--jwt-clock-tolerance-ms", "0"],
];
const issueWith = (make: (claims: Claims) => string) => async (_tidings: Tidings, name: string) => ({
  id: asUserId(name),
  name,
  token: make(claimsOf(name)),
});

describe("a token of an outside issuer with a public key", () => {
  const tidings = serveTests({
    flags: jwtFlags("RS256", "--jwt-public-key-file", files.publicKey),
    issueToken: issueWith((claims) => rs256(claims)),
  });
  const claims = claimsOf("mallory");

  const bad: readonly (readonly [string, () => string, ErrorCode])[] = [
    ["has expired", () => rs256({ ...claims, exp: nowS() - 1 }), "token-expired"],
    ["never expires", () => rs256({ ...claims, exp: undefined }), "token-invalid"],
    ["is not valid yet", () => rs256({ ...claims, nbf: nowS() + 600 }), "token-invalid"],
    ["is of another issuer", () => rs256({ ...claims, iss: "https://evil.example" }), "token-invalid"],
    ["is of no issuer", () => rs256({ ...claims, iss: undefined }), "token-invalid"],
    ["is for another audience", () => rs256({ ...claims, aud: "their-shop" }), "token-invalid"],
    ["is for no audience", () => rs256({ ...claims, aud: undefined }), "token-invalid"],
    ["is nobody's", () => rs256({ ...claims, sub: undefined }), "token-invalid"],
    ["is of a user who cannot be one", () => rs256({ ...claims, sub: "a~b" }), "token-invalid"],
    ["is signed with another key", () => rs256(claims, theirs.privateKey), "token-invalid"],
    ["was changed after it was signed", () => changed(rs256(claims), { ...claims, sub: "owner" }), "token-invalid"],
    ["says that it needs no signature", () => unsigned("none", claims), "token-invalid"],
    ["says so in other letters", () => unsigned("nOnE", claims), "token-invalid"],
    ["has no signature", () => unsigned("RS256", claims), "token-invalid"],
    ["takes the public key for a secret", () => hs256(claims, publicPem), "token-invalid"],
    ["takes the public key for a secret, trimmed", () => hs256(claims, publicPem.trim()), "token-invalid"],
    ["is a local one", () => `tdg_${"a".repeat(16)}_${"a".repeat(32)}`, "token-invalid"],
    ["is none", () => "not.a.token", "token-invalid"],
  ];

  test.each(bad)("is refused if it %s", async (_what, make, code) => {
    await expectRefused(tidings(), make(), code);
  });

  test("brings its own key in vain", async () => {
    const jwk = theirs.publicKey.export({ format: "jwk" });
    const signer = (input: string): Buffer => sign("sha256", Buffer.from(input), theirs.privateKey);
    await expectRefused(tidings(), jwt({ alg: "RS256", jwk }, claims, signer), "token-invalid");
    await expectRefused(tidings(), jwt({ alg: "RS256", jku: "http://127.0.0.1:1/" }, claims, signer), "token-invalid");
    await expectRefused(tidings(), jwt({ alg: "RS256", kid: "../../dev/null" }, claims, signer), "token-invalid");
  });

  test("is good until it expires, and its sessions end then", async () => {
    const socket = await RawSocket.open(tidings().port);
    const { user } = await socket.hello(rs256({ ...claimsOf("short-lived"), exp: nowS() + 2 }));
    expect(user).toMatchObject({ user_id: "short-lived" });
    await socket.expectEnd("token-expired");
  });

  test("is no account here", async () => {
    const body = { name: "mallory", password };
    expectProblem(await tidings().request(undefined, "POST /v1/accounts", { body }), "accounts-elsewhere");
    expectProblem(await tidings().request(undefined, "POST /v1/tokens", { body }), "accounts-elsewhere");
  });
});

describe("a token of an outside issuer with a secret", () => {
  const tidings = serveTests({
    flags: jwtFlags("HS256", "--jwt-secret-file", files.secret),
    issueToken: issueWith((claims) => hs256(claims)),
  });
  const claims = claimsOf("mallory");

  test.each([
    ["has another secret", hs256(claims, "another secret of more than 32 bytes, too")],
    ["has no secret", hs256(claims, "")],
    ["says that it needs no signature", unsigned("none", claims)],
    ["is signed with a key that nobody named", rs256(claims)],
  ])("is refused if it %s", async (_what, token) => {
    await expectRefused(tidings(), token, "token-invalid");
  });
});

function changed(token: string, claims: Claims): string {
  const [header, , signature] = token.split(".");
  return [header, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
}

test("the codes of tokens all tell a client not to come back with the same one", () => {
  for (const code of ["unauthenticated", "token-invalid", "token-expired", "token-revoked"] as const) {
    expect(errorCatalogue[code]).toMatchObject({ status: 401, close: 4401, retryable: false });
  }
});
