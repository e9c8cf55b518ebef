import { nameSchema, validator } from "@tidings/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allocateNames, numberedName, sanitizeName } from "./names.ts";

const checkName = validator(nameSchema);

describe("names for nicks", () => {
  it("replace what a name may not hold", () => {
    expect(sanitizeName("|QuaD-")).toBe("_QuaD-");
    expect(sanitizeName("lolmaus^_^")).toBe("lolmaus___");
    expect(sanitizeName("-x")).toBe("_-x");
    expect(numberedName("n".repeat(32), 12)).toBe(`${"n".repeat(29)}-12`);
  });

  it("are told apart by a number where they would be equal, whatever the case", () => {
    expect([...allocateNames(["niche", "Niche", "Martin^", "Martin`", "niche"])]).toEqual([
      ["niche", "niche"],
      ["Niche", "Niche-2"],
      ["Martin^", "Martin_"],
      ["Martin`", "Martin_-2"],
    ]);
  });

  it("are allowed and unique for whatever nicks, and always the same", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" })), (nicks) => {
        const names = [...allocateNames(nicks).values()];
        for (const name of names) checkName(name);
        expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(nicks.length);
        expect([...allocateNames(nicks).values()]).toEqual(names);
      }),
    );
  });
});
