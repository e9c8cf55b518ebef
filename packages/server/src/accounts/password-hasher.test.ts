import { describe, expect, it } from "vitest";
import { createRealRandom } from "../real/real-random.ts";
import { createPasswordHasher } from "./password-hasher.ts";

const open = (options: { atOnce?: number; waitingMax?: number } = {}) =>
  createPasswordHasher({ atOnce: 2, waitingMax: 100, random: createRealRandom(), ...options });

describe("a password", () => {
  it("matches its own hash only", async () => {
    const hasher = open();
    const hash = await hasher.hash("correct horse");
    expect(await hasher.verify("correct horse", hash)).toBe(true);
    expect(await hasher.verify("Correct horse", hash)).toBe(false);
    expect(await hasher.verify("correct horse", undefined)).toBe(false);
    expect(await hasher.verify("correct horse", "$argon2id$v=19$nonsense")).toBe(false);
  });

  it("is salted", async () => {
    const hasher = open();
    expect(await hasher.hash("correct horse")).not.toBe(await hasher.hash("correct horse"));
  });

  it("is the same however its letters are composed", async () => {
    const hasher = open();
    expect(await hasher.verify("na\u0131\u0308ve caf\u00e9", await hasher.hash("na\u0131\u0308ve cafe\u0301"))).toBe(
      true,
    );
  });

  it("is looked at with the parameters that it was hashed with", async () => {
    // From the reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 8 -p 1 -l 32
    const hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    expect(await open().verify("password", hash)).toBe(true);
    expect(await open().verify("passwort", hash)).toBe(false);
  });

  it("takes about as long to be refused for a name that nobody has", async () => {
    const hasher = open();
    const hash = await hasher.hash("correct horse");
    const time = async (stored: string | undefined) => {
      const startMs = performance.now();
      for (let count = 0; count < 4; count += 1) await hasher.verify("wrong", stored);
      return performance.now() - startMs;
    };
    await time(hash);
    const [known, unknown] = [await time(hash), await time(undefined)];
    expect(unknown / known).toBeGreaterThan(0.3);
    expect(unknown / known).toBeLessThan(3);
  });
});

describe("hashing", () => {
  it("refuses more than may wait, with a retry time, and goes on", async () => {
    const hasher = open({ atOnce: 1, waitingMax: 2 });
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => hasher.hash("correct horse")));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    const refused = outcomes.find(({ status }) => status === "rejected");
    expect(refused).toMatchObject({ reason: { code: "busy", retryAfterMs: 2_000 } });
    await hasher.hash("correct horse");
  });
});
