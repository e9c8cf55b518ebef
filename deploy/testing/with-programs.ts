import { test } from "vitest";

/**
 * Registers tests that need programs, if they are to be had: each of `finders` rejects with a sentence if one is not. Then a line says what
 * was not tested; where nobody reads lines (CI) that is a failure.
 */
export async function withPrograms(
  what: string,
  finders: readonly (() => Promise<unknown>)[],
  register: () => void,
): Promise<void> {
  try {
    await Promise.all(finders.map((find) => find()));
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    const sentence = error instanceof Error ? error.message : String(error);
    test(`NOT TESTED: ${what}. ${sentence}`, () => undefined);
    process.stderr.write(`NOT TESTED: ${what}. ${sentence}\n`);
    return;
  }
  register();
}
