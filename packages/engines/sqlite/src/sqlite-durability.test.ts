import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { durabilityContract } from "@tidings/contract";
import { createManualClock } from "@tidings/core";
import { afterAll } from "vitest";
import { openSqliteEngine } from "./sqlite-engine.ts";

/** Guarantee: G1. A process that appends is killed, again and again on the same data. */
const folder = mkdtempSync(join(tmpdir(), "tidings-durability-"));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, "tidings.db");
const program = fileURLToPath(new URL("testing/appending-process.ts", import.meta.url));

durabilityContract("the SQLite engine", {
  rounds: 3,
  start: () => spawn(process.execPath, [program, file], { stdio: ["ignore", "pipe", "inherit"] }),
  async open() {
    const engine = await openSqliteEngine({ file, clock: createManualClock() });
    return { stores: engine.stores, close: () => engine.stop() };
  },
});
