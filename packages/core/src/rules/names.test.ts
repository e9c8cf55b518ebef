import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TidingsError } from "@tidings/protocol";
import { checkDescription, checkName } from "./names.ts";

describe("a name that people read", () => {
  it.each([
    ["  The   lobby ", "The lobby"],
    ["cafe\u0301", "café"],
    ["日本語 チャット", "日本語 チャット"],
    ["👩‍👩‍👧 family", "👩‍👩‍👧 family"],
    ["a\u00a0b", "a b"],
  ])("%j is stored as %j", (name, stored) => {
    expect(checkName(name)).toBe(stored);
  });

  it.each(["", "   ", "\u00a0", "a\nb", "a\u0000b", "a\u007fb", "\u202Eabc", "a\u2066b", "a\u2028b", "\ud800"])(
    "%j is refused",
    (name) => {
      expect(() => checkName(name)).toThrow(TidingsError);
    },
  );

  it("is stored in a form that is stored as it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        let stored: string;
        try {
          stored = checkName(name);
        } catch {
          return;
        }
        expect(checkName(stored)).toBe(stored);
      }),
    );
  });
});

describe("a description", () => {
  it("may be empty and have lines, but holds nothing that cannot be seen", () => {
    expect(checkDescription("")).toBe("");
    expect(checkDescription(" one\ntwo\n")).toBe("one\ntwo");
    expect(() => checkDescription("a\u202Eb")).toThrow(TidingsError);
  });
});
