import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { depthOf, TidingsError } from "@tidings/protocol";
import { nestsDeeper, parseJsonInput } from "./json-input.ts";

describe("JSON from outside", () => {
  it("is read as it is", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value);
        expect(parseJsonInput(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("has the depth that its bytes say, whatever its texts hold", () => {
    const text = fc.string({ unit: fc.constantFrom("[", "]", "{", "}", '"', "\\", "ä", "a") });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: "binary" }), text, (value, extra) => {
        const wrapped = [extra, value];
        const bytes = Buffer.from(JSON.stringify(wrapped));
        const depth = depthOf(wrapped, 100);
        expect(nestsDeeper(bytes, depth)).toBe(false);
        expect(nestsDeeper(bytes, depth - 1)).toBe(true);
      }),
    );
  });

  it("that is anything at all is read or refused with a code of the catalogue", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseJsonInput(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(TidingsError);
        }
      }),
    );
  });

  it("does not make a prototype of a name", () => {
    const value = parseJsonInput(Buffer.from('{"__proto__":{"role":"owner"}}'));
    expect(Reflect.get(Object(value), "role")).toBeUndefined();
  });
});
