import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { TidingsError } from "@tidings/protocol";
import { parseSettings } from "../settings.ts";
import { createDoor } from "./door.ts";

function request(options: {
  from?: string;
  to?: string;
  headers?: Record<string, string>;
  url?: string;
}): IncomingMessage {
  const { from = "127.0.0.1", to = "127.0.0.1", headers = {}, url = "/v1/socket" } = options;
  const socket = new Socket();
  Object.defineProperties(socket, { remoteAddress: { value: from }, localAddress: { value: to } });
  return Object.assign(new IncomingMessage(socket), { url, headers });
}

const open = (flags: readonly string[] = [], port = 8484) => createDoor(parseSettings(flags, {}), () => port);

function codeOf(check: () => void): string {
  try {
    check();
    return "good";
  } catch (error) {
    if (error instanceof TidingsError) return error.code;
    throw error;
  }
}

describe("the client's address", () => {
  const forwarded = { "x-forwarded-for": "192.0.2.1, 198.51.100.2, 10.1.1.1" };

  it("is the peer's, whatever a header claims", () => {
    expect(open().addressOf(request({ from: "203.0.113.9", headers: forwarded }))).toBe("203.0.113.9");
  });

  it("is believed from listed proxies only, as far as they reach", () => {
    const door = open(["--trusted-proxies=10.0.0.0/8,127.0.0.1"]);
    expect(door.addressOf(request({ headers: forwarded }))).toBe("198.51.100.2");
    expect(door.addressOf(request({ from: "203.0.113.9", headers: forwarded }))).toBe("203.0.113.9");
  });

  it("is of this machine only without a proxy on the way", () => {
    for (const from of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) expect(open().isLocal(request({ from }))).toBe(true);
    expect(open().isLocal(request({ from: "203.0.113.9" }))).toBe(false);
    // A machine that listens on one address is asked from this same address.
    expect(open().isLocal(request({ from: "10.0.0.41", to: "10.0.0.41" }))).toBe(true);
    expect(open().isLocal(request({ from: "10.0.0.42", to: "10.0.0.41" }))).toBe(false);
    for (const name of ["x-forwarded-for", "forwarded", "via", "x-real-ip"]) {
      expect(open().isLocal(request({ headers: { [name]: "127.0.0.1" } }))).toBe(false);
      const own = { from: "10.0.0.41", to: "10.0.0.41" };
      expect(open().isLocal(request({ ...own, headers: { [name]: "10.0.0.9" } }))).toBe(false);
    }
  });
});

describe("an origin", () => {
  const cases: [flags: string[], origin: string, host: string, code: string][] = [
    [[], "http://localhost:8484", "localhost:8484", "good"],
    [[], "http://localhost", "localhost", "origin-not-allowed"],
    [[], "http://localhost:3000", "localhost:8484", "origin-not-allowed"],
    [[], "http://chat.example.org:8484", "chat.example.org:8484", "origin-not-allowed"],
    [["--host=chat.example.org"], "http://chat.example.org:8484", "chat.example.org:8484", "good"],
    [["--host=0.0.0.0"], "http://192.0.2.7:8484", "192.0.2.7:8484", "good"],
    [["--host=0.0.0.0"], "http://192.0.2.7:8484", "192.0.2.8:8484", "origin-not-allowed"],
    [["--origins=https://chat.example.org"], "https://chat.example.org", "x", "good"],
    [["--origins=https://chat.example.org/"], "https://chat.example.org", "x", "good"],
    [["--origins=https://chat.example.org"], "http://chat.example.org", "x", "origin-not-allowed"],
    [["--origins=https://chat.example.org"], "https://chat.example.org.evil.example", "x", "origin-not-allowed"],
    [["--origins=*"], "https://anything.example", "x", "good"],
    [[], "null", "localhost:8484", "origin-not-allowed"],
    [[], "file://", "localhost:8484", "origin-not-allowed"],
    [[], "nonsense", "localhost:8484", "origin-not-allowed"],
  ];
  it.each(cases)("with %j: %s at %s is %s", (flags, origin, host, code) => {
    expect(codeOf(() => open(flags).check(request({ headers: { origin, host } })))).toBe(code);
  });

  it("is not asked for from programs", () => {
    expect(codeOf(() => open().check(request({})))).toBe("good");
  });
});

describe("connections that have shown no token", () => {
  it("are counted by address until they do, or end", () => {
    const { pending } = open(["--pending-connections-per-address=2"]);
    const [one, two, three] = [new Socket(), new Socket(), new Socket()];
    expect([pending.begin(one, "a"), pending.begin(two, "a"), pending.begin(three, "a")]).toEqual([true, true, false]);
    expect(pending.begin(one, "a")).toBe(true);
    expect(pending.begin(three, "b")).toBe(true);
    pending.end(one);
    pending.end(one);
    expect(pending.countOf("a")).toBe(1);
    two.emit("close");
    expect(pending.countOf("a")).toBe(0);
  });
});

describe("a token in a URL", () => {
  it("is looked for in a time that grows with the URL only", () => {
    const door = open();
    for (const part of ["eyJ", "eyJ-", "tdg_", "tdg_a", "?token", "eyJ.", "a.eyJ"]) {
      const url = `/${part.repeat(Math.floor(16_000 / part.length))}`;
      const startMs = performance.now();
      for (let count = 0; count < 20; count += 1) codeOf(() => door.check(request({ url })));
      expect([part, performance.now() - startMs < 100]).toEqual([part, true]);
    }
  });
});
