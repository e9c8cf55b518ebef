import { createManualClock } from "@tidings/core";
import { describe, expect, it } from "vitest";
import { AnswerPace } from "./answer-pace.ts";

describe("the pace of long polls' answers (G8)", () => {
  it("answers at once under the pace, and in turn over it", async () => {
    const clock = createManualClock();
    const pace = new AnswerPace({ clock, perSecond: 100 });
    const signal = new AbortController().signal;
    await clock.advance(10_000);
    let answered = 0;
    for (let poll = 0; poll < 150; poll++) pace.turn(60_000, signal).then(() => answered++, expect.unreachable);
    await clock.advance(0);
    expect(answered).toBe(101);
    await clock.advance(100);
    expect(answered).toBe(111);
    await clock.advance(1_000);
    expect(answered).toBe(150);
  });

  it("lets go of whoever no longer waits", async () => {
    const pace = new AnswerPace({ clock: createManualClock(), perSecond: 1 });
    const gone = AbortSignal.abort();
    for (let poll = 0; poll < 300; poll++) await pace.turn(60_000, gone);
  });

  it("keeps nobody longer than he wants to wait, and gives the turns of who went to others", async () => {
    const clock = createManualClock();
    const pace = new AnswerPace({ clock, perSecond: 10 });
    const [going, staying] = [new AbortController(), new AbortController()];
    await clock.advance(10_000);
    let answered = 0;
    const count = (): unknown => answered++;
    for (let poll = 0; poll < 101; poll++) pace.turn(60_000, staying.signal).then(count, expect.unreachable);
    await clock.advance(0);
    expect(answered).toBe(101);
    for (let poll = 0; poll < 50; poll++) pace.turn(60_000, going.signal).then(undefined, expect.unreachable);
    pace.turn(20, staying.signal).then(count, expect.unreachable);
    await clock.advance(20);
    expect(answered).toBe(102);
    going.abort();
    await clock.advance(0);
    pace.turn(60_000, staying.signal).then(count, expect.unreachable);
    await clock.advance(200);
    expect(answered).toBe(103);
  });
});
