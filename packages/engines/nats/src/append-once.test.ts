import { createManualClock } from "@tidings/core";
import { expect, it } from "vitest";
import { appendOnce } from "./append-once.ts";
import { appendMsMax } from "./limits.ts";

/** A connection whose leader answers with these positions, one after the other, and then with the last one. */
function openLeader(...positions: readonly number[]) {
  const clock = createManualClock();
  const names: (string | undefined)[] = [];
  const js = {
    publish: async (_subject: string, _body: unknown, options: { msgID?: string } = {}) => {
      const seq = positions[Math.min(names.length, positions.length - 1)] ?? 0;
      names.push(options.msgID);
      return { stream: "log", seq, duplicate: seq === 0 };
    },
  };
  const nats = { clock, js, connected: async () => undefined };
  return { clock, names, append: () => appendOnce(nats, { subject: "log.1", body: "{}", name: "a-1" }) };
}

it("takes a position for an acknowledgement, and 0 for none: the record goes out again under another name (G1)", async () => {
  const { clock, names, append } = openLeader(0, 0, 7);
  const appended = append();
  await clock.advance(1_000);
  expect(await appended).toBe(7);
  expect(new Set(names).size).toBe(3);
});

it("is unavailable where no position comes in time", async () => {
  const { clock, append } = openLeader(0);
  const refused = expect(append()).rejects.toMatchObject({ code: "unavailable" });
  await clock.advance(appendMsMax);
  await refused;
});
