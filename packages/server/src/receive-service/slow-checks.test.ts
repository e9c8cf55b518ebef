import { createManualClock } from "@tidings/core";
import { pino } from "pino";
import { expect, it } from "vitest";
import { SlowChecks } from "./slow-checks.ts";

it("looks at all that is here, also behind what can never be looked at (G5)", async () => {
  const clock = createManualClock();
  const all = Array.from({ length: 3_000 }, (_, index) => index);
  const seen = new Set<number>();
  const checks = new SlowChecks<number>({
    clock,
    log: pino({ level: "silent" }),
    all: () => all.values(),
    async check(ids) {
      if (ids.includes(0)) throw new Error("This one cannot be read.");
      for (const id of ids) seen.add(id);
    },
  });
  checks.start();
  for (let round = 0; round < 10; round += 1) {
    // A session that just came, and cannot be looked at either.
    checks.soon(0);
    await clock.advance(1_000);
  }
  checks.stop();
  // Those that were asked for together with it come with the next walk, or not at all.
  expect(all.filter((id) => !seen.has(id))).toEqual(all.slice(0, 500));
});
