import { UnreachableError } from "@tidings/client";
import { TidingsError } from "@tidings/protocol";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { checkUrl } from "./context.ts";
import { parseCount, parseDurationS } from "./durations.ts";
import { describeFailure, usageFailure } from "./failure.ts";

describe("a failure", () => {
  it("is told in one line, with an exit code for its kind", () => {
    expect(describeFailure(usageFailure("What?"))).toEqual({ line: "What?", exitCode: 2 });
    expect(describeFailure(new UnreachableError("http://x", new Error("ECONNREFUSED")))).toMatchObject({ exitCode: 3 });
    expect(describeFailure(new TidingsError("name-taken"))).toEqual({
      line: "The name belongs to another account. If it is yours: tidings login NAME. [name-taken]",
      exitCode: 4,
      code: "name-taken",
    });
    expect(describeFailure(new TidingsError("invalid-request", { detail: "/name is too long." })).line).toBe(
      "A field is missing, unknown or of a wrong type. /name is too long. [invalid-request]",
    );
    expect(describeFailure(new TidingsError("internal"))).toMatchObject({ exitCode: 1 });
  });

  it("of a file names the file and not the system call", async () => {
    const error: unknown = await readFile("/does/not/exist.txt").catch((cause: unknown) => cause);
    expect(describeFailure(error)).toEqual({ line: "/does/not/exist.txt does not exist.", exitCode: 1 });
  });

  it("that nobody expected has no stack either", () => {
    const { line, exitCode } = describeFailure(new RangeError("index out of range"));
    expect(line).toBe("Unexpected: index out of range (TIDINGS_DEBUG=1 shows where)");
    expect(exitCode).toBe(1);
  });
});

describe("what people type", () => {
  it("may be a length of time", () => {
    expect(["90", "90s", "15m", "12h", "7d"].map(parseDurationS)).toEqual([90, 90, 900, 43_200, 604_800]);
    for (const text of ["", "0", "-1", "1w", "7 d", "1.5h"])
      expect(() => parseDurationS(text)).toThrow(/length of time/);
  });

  it("may be a number", () => {
    expect(parseCount("12", "--lines")).toBe(12);
    expect(parseCount("0", "--since", 0)).toBe(0);
    for (const text of ["", "0", "-1", "1.5", "1e3", "x"])
      expect(() => parseCount(text, "--lines")).toThrow(/--lines is/);
  });

  it("may be the address of a server, without secrets in it", () => {
    expect(checkUrl("http://127.0.0.1:8484/")).toBe("http://127.0.0.1:8484");
    expect(checkUrl("https://example.org/chat/")).toBe("https://example.org/chat");
    for (const text of ["example.org", "ftp://example.org", "http://a:b@example.org", "http://example.org/?token=x"]) {
      expect(() => checkUrl(text)).toThrow();
    }
  });
});
