import { test } from "vitest";
import { findNatsBinary } from "../nats-binary.ts";

/**
 * Registers tests that need a NATS server, if there is one to be had. Otherwise one line says what was not tested; where
 * nobody reads lines (CI) that is a failure.
 */
export async function withNats(what: string, register: () => void): Promise<void> {
  try {
    await findNatsBinary();
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    test(`NOT TESTED, because no nats-server of 2.10 or later is to be had: ${what}`, () => undefined);
    process.stderr.write(`NOT TESTED, because no nats-server of 2.10 or later is to be had: ${what}\n`);
    return;
  }
  register();
}
