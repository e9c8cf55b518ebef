import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { createLightFetch } from "./light-fetch.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/sync?a=b`;
}

describe("the light fetch", () => {
  it("sends what it is given, and gives the answer's status, headers and text", async () => {
    const url = await serve(async (request, answer) => {
      const got = [request.method, request.url, request.headers["x-a"], request.headers["content-length"]].join(" ");
      answer.writeHead(418, { "retry-after": "7" }).end(`${got} ${await text(request)}`);
    });
    const answer = await createLightFetch()(url, { method: "POST", headers: { "x-a": "b" }, body: "grüße" });
    expect([answer.status, answer.headers.get("retry-after"), answer.headers.get("etag")]).toEqual([418, "7", null]);
    expect(await answer.text()).toBe("POST /v1/sync?a=b b 7 grüße");
  });

  it("keeps the connection for the next request", async () => {
    const ports = new Set<number | undefined>();
    const url = await serve((request, answer) => {
      ports.add(request.socket.remotePort);
      answer.end();
    });
    const fetch = createLightFetch();
    for (let n = 0; n < 3; n++) await fetch(url, { method: "GET", headers: {} });
    expect(ports.size).toBe(1);
  });

  it("fails when nobody answers, when the answer breaks off, and when it is told to", async () => {
    const url = await serve((request, answer) => {
      if (request.method === "GET") return;
      answer.writeHead(200, { "content-length": "10" }).write("half");
      answer.socket?.end();
    });
    const fetch = createLightFetch();
    await expect(fetch(url, { method: "POST", headers: {} })).rejects.toThrow();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(fetch(url, { method: "GET", headers: {}, signal })).rejects.toThrow();
    const controller = new AbortController();
    const waiting = fetch(url, { method: "GET", headers: {}, signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toThrow();
    await expect(fetch("http://127.0.0.1:1/", { method: "GET", headers: {} })).rejects.toThrow(/ECONNREFUSED/);
  });
});
