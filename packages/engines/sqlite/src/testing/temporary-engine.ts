import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stores } from "@tidings/core";
import { createManualClock } from "@tidings/core";
import { openSqliteEngine, type SqliteEngineOptions } from "../sqlite-engine.ts";

/** An engine in a folder of its own, as the suites want it. A crash here is an end without a preparation. */
export async function openTemporaryEngine(options: Partial<SqliteEngineOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "tidings-sqlite-"));
  const file = join(folder, "tidings.db");
  const clock = createManualClock();
  let engine = await openSqliteEngine({ file, clock, ...options });
  return {
    folder,
    file,
    clock,
    get engine() {
      return engine;
    },
    get stores(): Stores {
      return engine.stores;
    },
    async crash(): Promise<void> {
      await engine.stop();
      engine = await openSqliteEngine({ file, clock, ...options });
    },
    async close(): Promise<void> {
      await engine.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
