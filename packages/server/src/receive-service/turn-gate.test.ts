import { describe, expect, it } from "vitest";
import { TurnGate } from "./turn-gate.ts";

describe("the turns of a session (G4)", () => {
  it("takes turns in order", () => {
    const gate = new TurnGate();
    for (const turn of [1, 2, 3]) {
      gate.check(turn);
      gate.taken(turn);
    }
    expect(() => gate.check(4)).not.toThrow();
  });

  it("refuses later turns after a refused one, until that one comes again", () => {
    const gate = new TurnGate();
    gate.taken(1);
    gate.taken(2);
    gate.taken(3);
    gate.refused(2);
    expect(() => gate.check(3)).toThrow("Turn 2 comes first.");
    gate.check(2);
    gate.taken(2);
    expect(() => gate.check(3)).not.toThrow();
  });

  it("does not ask again for later turns that were settled all the same", () => {
    const gate = new TurnGate();
    for (const turn of [1, 2, 3]) gate.taken(turn);
    gate.refused(1);
    gate.check(1);
    gate.taken(1);
    expect(() => gate.check(4)).not.toThrow();
    gate.taken(4);
    expect(() => gate.check(6)).toThrow("Turn 5 comes first.");
  });

  it("asks again for every turn that was refused, in order", () => {
    const gate = new TurnGate();
    for (const turn of [1, 2, 3]) gate.taken(turn);
    gate.refused(3);
    gate.refused(1);
    expect(() => gate.check(3)).toThrow("Turn 1 comes first.");
    gate.taken(1);
    expect(() => gate.check(4)).toThrow("Turn 3 comes first.");
    gate.taken(3);
    expect(() => gate.check(4)).not.toThrow();
  });

  it("lets a repetition of a settled turn and a send without a turn pass", () => {
    const gate = new TurnGate();
    gate.taken(1);
    gate.taken(2);
    gate.check(1);
    gate.taken(1);
    gate.check(undefined);
    expect(() => gate.check(3)).not.toThrow();
  });
});
