import { asConversationId, asSeq, TidingsError } from "@tidings/protocol";
import { describe, expect, test } from "vitest";
import { createApi, type FetchRequest } from "./api.ts";
import { UnreachableError } from "./errors.ts";

type Seen = { url: string } & FetchRequest;

describe("a call", () => {
  test("puts parameters, query, body and token where the operation has them", async () => {
    const seen: Seen[] = [];
    const api = createApi({ url: "http://host/base", token: async () => "secret", fetch: answering(200, {}, seen) });
    const conversation = asConversationId("d_a|1~b@2");
    await api.call("entries", { params: { conversation }, query: { after: asSeq(4) } });
    await api.call("markRead", { params: { conversation }, body: { seq: asSeq(4) } });
    expect(seen.map(({ method, url, body }) => [method, url, body])).toEqual([
      ["GET", "http://host/base/v1/conversations/d_a%7C1~b%402/entries?after=4", undefined],
      ["PUT", "http://host/base/v1/conversations/d_a%7C1~b%402/read", '{"seq":4}'],
    ]);
    expect(seen[0]?.headers["authorization"]).toBe("Bearer secret");
  });

  test("carries no token where the operation takes none", async () => {
    const seen: Seen[] = [];
    const api = createApi({ url: "http://host", token: "secret", fetch: answering(201, {}, seen) });
    await api.call("createToken", { body: { name: "ada", password: "password" } });
    expect(seen[0]?.headers["authorization"]).toBeUndefined();
  });

  test("answers nothing where the operation has no answer", async () => {
    const api = createApi({ url: "http://host", fetch: async () => response(204, "") });
    const left = await api.call("leaveGroup", { params: { conversation: asConversationId("g_1") } });
    expect(left).toBeUndefined();
  });
});

describe("a failure", () => {
  test("is the server's error", async () => {
    const problem = { code: "rate-limited", detail: "Slower.", retry_after_ms: 70 };
    const failed = createApi({ url: "http://host", fetch: answering(429, problem) }).call("me");
    await expect(failed).rejects.toMatchObject({ code: "rate-limited", detail: "Slower.", retryAfterMs: 70 });
  });

  test.each([
    { status: 502, text: "<html>bad gateway</html>", code: "unavailable" },
    { status: 503, text: '{"code":"of-a-newer-server","detail":"Later."}', code: "unavailable" },
    { status: 404, text: "", code: "not-found" },
    { status: 418, text: "[]", code: "bad-http" },
    { status: 200, text: "not JSON", code: "bad-http" },
  ])("that is not of our catalogue ($status $text) is what comes nearest: $code", async ({ status, text, code }) => {
    const api = createApi({ url: "http://host", fetch: async () => response(status, text) });
    await expect(api.call("me")).rejects.toMatchObject({ code });
  });

  test("takes the retry time of the header where the body has none", async () => {
    const api = createApi({ url: "http://host", fetch: async () => response(503, "", "2") });
    await expect(api.call("me")).rejects.toMatchObject({ retryAfterMs: 2_000 });
  });

  test("without an answer says so, with its cause", async () => {
    const cause = new TypeError("fetch failed", { cause: Object.assign(new Error("no"), { code: "ECONNREFUSED" }) });
    const api = createApi({ url: "http://host", fetch: () => Promise.reject(cause) });
    const error = await api.call("me").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error).toBeInstanceOf(TidingsError);
    expect(error).toMatchObject({ cause, message: "http://host/v1/me cannot be reached: ECONNREFUSED." });
  });

  test("by the caller's own signal is the signal's reason", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    const api = createApi({ url: "http://host", fetch: () => Promise.reject(new Error("aborted")) });
    await expect(api.call("me", { signal })).rejects.toThrow("enough");
  });
});

function answering(status: number, body: object, seen: Seen[] = []) {
  return async (url: string, request: FetchRequest) => {
    seen.push({ url, ...request });
    return response(status, JSON.stringify(body));
  };
}

function response(status: number, text: string, retryAfter: string | null = null) {
  return { status, headers: { get: () => retryAfter }, text: async () => text };
}
