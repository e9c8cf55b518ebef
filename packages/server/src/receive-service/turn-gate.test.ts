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
