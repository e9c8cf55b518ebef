import { afterAll, beforeAll, describe, test } from "vitest";

/**
 * One promise of a port, as a sentence, and what finds out whether it is kept: `run` rejects if it is not. Cases are
 * data, so that besides the adapter below a test can run them against an engine that is broken on purpose.
 */
export type ContractCase<Fixture> = {
  readonly name: string;
  run(fixture: Fixture): Promise<void>;
};

/** What a fixture has to offer whatever it is: its end. */
export type Closable = { close(): Promise<void> };

/**
 * Registers the cases of a suite as tests. They share one fixture, one after the other, and so use names of their own
 * for everything they make (see `fresh`).
 */
export function registerContract<Fixture extends Closable>(
  title: string,
  cases: readonly ContractCase<Fixture>[],
  open: () => Promise<Fixture>,
): void {
  describe(title, () => {
    let fixture: Fixture;
    beforeAll(async () => {
      fixture = await open();
    });
    afterAll(() => fixture?.close());
    for (const { name, run } of cases) test(name, () => run(fixture));
  });
}

/**
 * The names of the cases that a fixture fails, each with a fixture of its own. A case that waits for ever for what a
 * broken engine owes it has failed, too: after `deadlineMs`.
 */
export async function failingCases<Fixture extends Closable>(
  cases: readonly ContractCase<Fixture>[],
  open: () => Promise<Fixture>,
  { deadlineMs = 2_000 } = {},
): Promise<readonly string[]> {
  const failing: string[] = [];
  for (const { name, run } of cases) {
    const fixture = await open();
    const fails = run(fixture).then(
      () => false,
      () => true,
    );
    if (await Promise.race([fails, passed(deadlineMs)])) failing.push(name);
    await fixture.close();
  }
  return failing;
}

const passed = (deadlineMs: number): Promise<true> =>
  new Promise((resolve) => {
    AbortSignal.timeout(deadlineMs).addEventListener("abort", () => resolve(true));
  });
