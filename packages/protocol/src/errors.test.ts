import { describe, expect, test } from "vitest";
import { type CatalogueEntry, errorCatalogue, errorCodes, TidingsError } from "./errors.ts";
import { httpOperations } from "./http.ts";

describe("the catalogue", () => {
  test.each(errorCodes)("%s is complete and consistent", (code) => {
    const entry: CatalogueEntry = errorCatalogue[code];
    expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(entry.sentence).toMatch(/^[A-Z].*\.$/);
    expect(entry.status).toBeGreaterThanOrEqual(400);
    expect(entry.status).toBeLessThan(600);
    // A client may come back exactly if the failure may pass by itself. 1007 and 1003 tell of a client that speaks wrongly.
    if (entry.close !== undefined) {
      const mayComeBack = (entry.close >= 4500 && entry.close < 4600) || [1001, 1011].includes(entry.close);
      expect(mayComeBack).toBe(entry.retryable);
    }
    if (entry.status >= 500 || entry.status === 429) expect(entry.retryable).toBe(true);
  });

  test("each operation names errors of the catalogue, each once", () => {
    for (const operation of Object.values(httpOperations)) {
      expect(new Set(operation.errors).size).toBe(operation.errors.length);
      for (const code of operation.errors) expect(errorCodes).toContain(code);
    }
  });
});

describe("a TidingsError", () => {
  test("speaks the catalogue's sentence unless there is a detail, and keeps its cause", () => {
    const cause = new Error("disk");
    expect(new TidingsError("unavailable").message).toBe(errorCatalogue.unavailable.sentence);
    const error = new TidingsError("unavailable", { detail: "The disk is full.", retryAfterMs: 500, cause });
    expect(error).toMatchObject({ message: "The disk is full.", retryAfterMs: 500, cause, code: "unavailable" });
    expect(error.entry.status).toBe(503);
  });
});
