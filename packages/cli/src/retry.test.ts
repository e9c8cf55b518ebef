import { UnreachableError } from "@tidings/client";
import { TidingsError } from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { forEachBounded, retryDelayMs, retryFor } from "./retry.ts";

const unreachable = new UnreachableError("http://127.0.0.1:1", new Error("ECONNREFUSED"));

describe("a retry", () => {
  it("is for failures that may pass, after the time that the server asks for", () => {
    expect(retryDelayMs(new TidingsError("rate-limited", { retryAfterMs: 70 }), 1)).toBe(70);
    expect(retryDelayMs(unreachable, 1, () => 0.5)).toBe(100);
    expect(retryDelayMs(unreachable, 30, () => 0.5)).toBe(1_000);
    expect(retryDelayMs(new TidingsError("not-a-member"), 1)).toBeUndefined();
    expect(retryDelayMs(new Error("a bug"), 1)).toBeUndefined();
  });

  it("goes on until it works", async () => {
    let tries = 0;
    const attempt = async () => {
      tries += 1;
      if (tries < 3) throw new TidingsError("unavailable", { retryAfterMs: 1 });
      return "done";
    };
    expect(await retryFor({ timeMs: 1_000, attempt })).toBe("done");
    expect(tries).toBe(3);
  });

  it("ends with the last failure when the time is over, or cannot suffice", async () => {
    const refused = new TidingsError("rate-limited", { retryAfterMs: 5_000 });
    const attempt = async () => {
      throw refused;
    };
    await expect(retryFor({ timeMs: 1_000, attempt })).rejects.toBe(refused);
  });
});

describe("a bounded loop", () => {
  it("runs for every item, so many at a time", async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;
    await forEachBounded([...Array(20).keys()], 3, async (item) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
      done.push(item);
    });
    expect(done.toSorted((one, other) => one - other)).toEqual([...Array(20).keys()]);
    expect(most).toBe(3);
  });

  it("begins nothing more after a failure", async () => {
    const begun: number[] = [];
    const running = forEachBounded([...Array(20).keys()], 2, async (item) => {
      begun.push(item);
      await new Promise(setImmediate);
      if (item === 1) throw new Error("one failed");
    });
    await expect(running).rejects.toThrow("one failed");
    await new Promise(setImmediate);
    expect(begun.length).toBeLessThan(6);
  });
});
