import { describe, expect, it } from "vitest";
import { createManualClock } from "@tidings/core";
import { createAdmission } from "./admission.ts";

function open(fractions: readonly number[] = [0.5]) {
  const clock = createManualClock();
  let draws = 0;
  const random = {
    fraction: () => fractions[draws++ % fractions.length] ?? 0,
    unguessable: () => "x",
  };
  return { clock, admission: createAdmission({ loginsPerSecond: 10, resumesPerSecond: 100, clock, random }) };
}

describe("admission", () => {
  it("takes resumes from a budget of their own", () => {
    const { admission } = open();
    for (let count = 0; count < 10; count += 1) expect(admission.admit("login").ok).toBe(true);
    expect(admission.admit("login").ok).toBe(false);
    for (let count = 0; count < 100; count += 1) expect(admission.admit("resume").ok).toBe(true);
    expect(admission.admit("resume").ok).toBe(false);
  });

  it("counts whom it sent away, by what they were", () => {
    const { admission } = open();
    for (let count = 0; count < 13; count += 1) admission.admit("login");
    expect(admission.refused).toEqual({ login: 3, resume: 0 });
  });

  it("draws the retry times over the time that those who were refused need", () => {
    const { admission } = open([0, 0.999]);
    for (let count = 0; count < 10; count += 1) admission.admit("login");
    const refused = Array.from({ length: 100 }, () => admission.admit("login"));
    const times = refused.map((outcome) => (outcome.ok ? 0 : outcome.retryAfterMs));
    expect(Math.min(...times)).toBeGreaterThan(0);
    // A hundred at ten a second.
    expect(Math.max(...times)).toBeGreaterThan(9_000);
    expect(Math.max(...times)).toBeLessThan(11_000);
  });

  it("sends nobody away for more than about a minute", () => {
    const { admission } = open([0.999]);
    const times = Array.from({ length: 10_000 }, () => admission.admit("login")).map((one) =>
      one.ok ? 0 : one.retryAfterMs,
    );
    expect(Math.max(...times)).toBeLessThan(61_000);
  });

  it("admits everybody within about the time that the budget needs, if all come back when they were told", async () => {
    const clock = createManualClock();
    let seed = 7;
    const fraction = () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const random = { fraction, unguessable: () => "x" };
    const admission = createAdmission({ loginsPerSecond: 10, resumesPerSecond: 100, clock, random });
    let admitted = 0;
    let attempts = 0;
    const come = () => {
      attempts += 1;
      const outcome = admission.admit("resume");
      if (outcome.ok) admitted += 1;
      else clock.after(outcome.retryAfterMs, come);
    };
    for (let client = 0; client < 1_000; client += 1) come();
    await clock.advance(25_000);
    expect(admitted).toBe(1_000);
    expect(attempts).toBeLessThan(5_000);
  });
});
