import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorCatalogue, httpOperations, type HttpOperation, limits, TidingsError } from "@tidings/protocol";
import { createManualClock } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import { type HttpRig, openHttpRig, type Person, problemOf } from "../testing/http-rig.ts";

let rig: HttpRig;
let ann: Person;

beforeAll(async () => {
  rig = await openHttpRig();
  ann = await rig.signUp("ann");
});
afterAll(() => rig.close());

const asAnn = () => ({ authorization: `Bearer ${ann.token}` });

async function post(url: string, options: { payload: string | Buffer; type?: string }) {
  const headers = { ...asAnn(), ...(options.type !== "" && { "content-type": options.type ?? "application/json" }) };
  return rig.app.inject({ method: "POST", url, headers, payload: options.payload });
}

describe("a body", () => {
  const cases: [what: string, payload: string | Buffer, type: string | undefined, code: keyof typeof errorCatalogue][] =
    [
      ["that is not JSON", '{"name": "a', undefined, "invalid-json"],
      ["that is not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), undefined, "invalid-utf8"],
      ["that nests too deep", "[".repeat(limits.jsonDepthMax + 1), undefined, "too-deep"],
      ["that nests so deep that a stack would end", "[".repeat(200_000), undefined, "too-deep"],
      ["that is missing", "", undefined, "invalid-request"],
      ["that is an array", "[]", undefined, "invalid-request"],
      ["that is null", "null", undefined, "invalid-request"],
      ["with an unknown field", '{"name":"a","colour":"red"}', undefined, "invalid-request"],
      ["with a wrong type", '{"name":17}', undefined, "invalid-request"],
      ["of another media type", "name=a", "application/x-www-form-urlencoded", "unsupported-media-type"],
      ["without a media type", '{"name":"a"}', "", "unsupported-media-type"],
      ["that is too large", `{"name":"${"a".repeat(limits.bodyBytesMax)}"}`, undefined, "body-too-large"],
    ];
  it.each(cases)("%s is refused", async (_what, payload, type, code) => {
    const reply = await post("/v1/groups", { payload, ...(type !== undefined && { type }) });
    expect(problemOf(reply)).toMatchObject({ code, status: errorCatalogue[code].status });
  });

  it("is not repeated in the refusal", async () => {
    for (const payload of ['{"name": my secret', '{"name":"x","secret":"my secret"}', '{"name":["my secret"]}']) {
      const reply = await post("/v1/groups", { payload });
      expect(reply.statusCode).toBe(400);
      expect(reply.body).not.toContain("my secret");
    }
  });

  it("is refused where none is taken, unless it is empty", async () => {
    const group = await rig.createGroup(ann, { visibility: "public" });
    const join = `/v1/groups/${group}/join`;
    expect((await post(join, { payload: "{}" })).statusCode).toBe(200);
    expect(problemOf(await post(join, { payload: '{"as":"owner"}' })).code).toBe("invalid-request");
  });

  it("names the field that is wrong", async () => {
    const reply = await post("/v1/groups", { payload: '{"name":17}' });
    expect(problemOf(reply).detail).toContain("/name");
  });
});

describe("an address", () => {
  it("that is not ours is not found", async () => {
    const reply = await rig.app.inject({ method: "GET", url: "/v2/everything" });
    expect(problemOf(reply).code).toBe("not-found");
  });

  it("says which methods it takes when it gets another", async () => {
    const reply = await rig.app.inject({ method: "PUT", url: "/v1/me" });
    expect(problemOf(reply).code).toBe("method-not-allowed");
    expect(String(reply.headers.allow).split(", ").sort()).toEqual(["GET", "HEAD", "OPTIONS", "PATCH"]);
  });

  it("with broken escapes is refused", async () => {
    const reply = await rig.app.inject({ method: "GET", url: "/v1/groups/%zz" });
    expect(problemOf(reply).status).toBe(400);
  });

  it("holds no conversation whose id is too long", async () => {
    const reply = await rig.app.inject({ method: "GET", url: `/v1/groups/${"a".repeat(300)}`, headers: asAnn() });
    expect(problemOf(reply).status).toBe(404);
  });

  it("holds the longest id of a direct conversation", async () => {
    const url = `/v1/conversations/d_${"a".repeat(64)}~${"b".repeat(64)}`;
    const reply = await rig.app.inject({ method: "GET", url, headers: asAnn() });
    expect(problemOf(reply).code).toBe("conversation-not-found");
  });

  it("of a page after a seq and before one is refused", async () => {
    const url = `/v1/conversations/${await rig.createGroup(ann)}/entries`;
    const get = (query: string) => rig.app.inject({ method: "GET", url: `${url}?${query}`, headers: asAnn() });
    expect(problemOf(await get("after=1&before=3")).code).toBe("invalid-request");
    for (const query of ["after=1", "before=3"]) expect((await get(query)).statusCode).toBe(200);
  });

  it("of the WebSocket asks for a WebSocket", async () => {
    const reply = await rig.app.inject({ method: "GET", url: "/v1/socket" });
    expect(problemOf(reply).code).toBe("unsupported-protocol");
  });
});

describe("a token", () => {
  it("is asked for by every operation that needs one, before its body is looked at", async () => {
    for (const operation of Object.values<HttpOperation>(httpOperations)) {
      if (!operation.auth) continue;
      const url = operation.path.replaceAll(/:\w+/g, "x");
      const headers = { "content-type": "application/json" };
      const reply = await rig.app.inject({ method: operation.method, url, headers, payload: "not JSON" });
      expect([operation.path, problemOf(reply).code]).toEqual([operation.path, "unauthenticated"]);
      expect(reply.headers["www-authenticate"]).toContain("Bearer");
    }
  });

  it("that is none of ours is invalid, whatever it looks like", async () => {
    const { token } = ann;
    const forged = [
      "x",
      "tdg_",
      `${token}x`,
      token.slice(0, -1),
      `${token.slice(0, -1)}${token.endsWith("a") ? "b" : "a"}`,
      `tdg_${"a".repeat(16)}_${"b".repeat(32)}`,
      "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
    ];
    for (const one of forged) {
      expect([one, (await rig.refusal("me", { token: one })).code]).toEqual([one, "token-invalid"]);
    }
  });

  it.each(["?token=x", "?access_token=x", "?a=1&auth=x", "?q=tdg_abc_def", "/tdg_abc_def"])(
    "never travels in a URL: %s",
    async (rest) => {
      const reply = await rig.app.inject({ method: "GET", url: `/v1/me${rest}`, headers: asAnn() });
      expect(problemOf(reply).code).toBe("token-in-url");
    },
  );
});

describe("a browser page", () => {
  const allowed = ["http://localhost:8484", "http://127.0.0.1:8484", "http://[::1]:8484"];
  it.each(allowed)("of this server itself (%s) may use it", async (origin) => {
    const reply = await rig.app.inject({ method: "GET", url: "/v1/me", headers: { ...asAnn(), origin } });
    expect(reply.statusCode).toBe(200);
    expect(reply.headers).toMatchObject({ "access-control-allow-origin": origin, vary: "origin" });
  });

  const foreign = ["http://evil.example", "https://localhost.evil.example:8484", "http://localhost:9999", "null", ""];
  it.each(foreign)("of elsewhere (%j) may not", async (origin) => {
    const reply = await rig.app.inject({ method: "GET", url: "/v1/me", headers: { ...asAnn(), origin } });
    expect(problemOf(reply).code).toBe("origin-not-allowed");
    expect(reply.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("whose name merely leads here may not", async () => {
    const headers = { ...asAnn(), origin: "http://rebound.example:8484", host: "rebound.example:8484" };
    const reply = await rig.app.inject({ method: "GET", url: "/v1/me", headers });
    expect(problemOf(reply).code).toBe("origin-not-allowed");
  });

  it("is told by a preflight what it may do", async () => {
    const headers = { origin: "http://localhost:8484", "access-control-request-method": "PATCH" };
    const reply = await rig.app.inject({ method: "OPTIONS", url: "/v1/me", headers });
    expect(reply.statusCode).toBe(204);
    expect(reply.headers["access-control-allow-methods"]).toContain("PATCH");
    expect(reply.headers["access-control-allow-headers"]).toContain("authorization");
  });
});

describe("the front page", () => {
  it("says what runs here, takes nothing from elsewhere, and may not be framed", async () => {
    const reply = await rig.app.inject({ method: "GET", url: "/" });
    expect(reply.statusCode).toBe(200);
    expect(reply.body).toContain("Tidings");
    expect(reply.body).not.toMatch(/src=|https?:\/\/|<script|@import|url\(/);
    expect(reply.headers["content-security-policy"]).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(reply.headers["x-content-type-options"]).toBe("nosniff");
  });
});

describe("health", () => {
  it("is told to everybody", async () => {
    for (const url of ["/healthz", "/readyz"])
      expect((await rig.app.inject({ method: "GET", url })).statusCode).toBe(200);
  });

  it("is not ready while a database does not answer", async () => {
    const groups = {
      ...createMemoryStores().groups,
      group: async () => Promise.reject(new TidingsError("unavailable")),
    };
    const broken = await openHttpRig({ stores: { groups } });
    expect(problemOf(await broken.app.inject({ method: "GET", url: "/readyz" })).code).toBe("unavailable");
    expect((await broken.app.inject({ method: "GET", url: "/healthz" })).statusCode).toBe(200);
    await broken.close();
  });

  it("gives its metrics to this machine only", async () => {
    const metrics = (headers: Record<string, string>, remoteAddress: string) =>
      rig.app.inject({ method: "GET", url: "/metrics", headers, remoteAddress });
    expect((await metrics({}, "127.0.0.1")).body).toMatch(
      /tidings_http_requests_total\{operation="me",status="2xx"\} \d/,
    );
    expect((await metrics({}, "192.0.2.7")).statusCode).toBe(404);
    expect((await metrics({ "x-forwarded-for": "127.0.0.1" }, "127.0.0.1")).statusCode).toBe(404);
  });
});

describe("a fault of the program", () => {
  it("is logged once, and tells whoever asked nothing", async () => {
    const lines: string[] = [];
    const memberships = {
      ...createMemoryStores().memberships,
      conversationsOf: async () => Promise.reject(new Error("a secret")),
    };
    const broken = await openHttpRig({ stores: { memberships }, logTo: { write: (line) => lines.push(line) } });
    const ben = await broken.signUp("ben");
    const problem = await broken.refusal("conversations", { token: ben.token });
    expect(problem).toMatchObject({ code: "internal", status: 500, retryable: true });
    expect(JSON.stringify(problem)).not.toContain("a secret");
    expect(lines.filter((line) => line.includes("a secret"))).toHaveLength(1);
    expect(lines.join("")).not.toContain(ben.token);
    await broken.close();
  });
});

describe("rates", () => {
  it("bound the requests of a user and of an address without a token, each by itself", async () => {
    const flags = ["--requests-per-second=1", "--requests-burst=3"];
    const strict = await openHttpRig({ flags, clock: createManualClock() });
    const { ben, cat } = await strict.addPeople("ben", "cat");
    for (let count = 0; count < 3; count += 1) await strict.call("me", { token: ben.token });
    const refusal = await strict.refusal("me", { token: ben.token });
    expect(refusal).toMatchObject({ code: "rate-limited", status: 429 });
    expect(refusal.retry_after_ms).toBeGreaterThan(0);
    await strict.call("me", { token: cat.token });

    for (let count = 0; count < 3; count += 1) {
      expect((await strict.refusal("me", { token: "forged" })).code).toBe("token-invalid");
    }
    expect((await strict.refusal("me", { token: "forged" })).code).toBe("rate-limited");
    expect((await strict.refusal("me", { token: "forged", from: "192.0.2.7" })).code).toBe("token-invalid");
    await strict.close();
  });

  it("bound the messages of a user apart from his requests", async () => {
    const flags = ["--messages-per-second=1", "--messages-burst=2"];
    const strict = await openHttpRig({ flags, clock: createManualClock() });
    const { ben } = await strict.addPeople("ben");
    const conversation = await strict.createGroup(ben);
    const send = (id: string) => ({
      token: ben.token,
      params: { conversation },
      body: { message_id: id as never, text: "x" },
    });
    await strict.call("sendMessage", send("m1"));
    await strict.call("sendMessage", send("m2"));
    const refusal = await strict.refusal("sendMessage", send("m3"));
    expect(refusal.code).toBe("rate-limited");
    await strict.call("me", { token: ben.token });
    await strict.close();
  });

  it("tell the retry time in seconds too, never too short", async () => {
    const strict = await openHttpRig({ flags: ["--sign-ups-per-minute=1"] });
    await strict.signUp("ben");
    const reply = await strict.app.inject({
      method: "POST",
      url: "/v1/accounts",
      payload: { name: "cat", password: "password" },
    });
    const problem = problemOf(reply);
    expect(problem.code).toBe("too-many-attempts");
    expect(Number(reply.headers["retry-after"]) * 1_000).toBeGreaterThanOrEqual(problem.retry_after_ms ?? Infinity);
    await strict.close();
  });
});
