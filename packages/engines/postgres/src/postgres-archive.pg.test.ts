import { archiveTargetContract } from "@tidings/contract";
import { createManualClock } from "@tidings/core";
import { describe, expect, test } from "vitest";
import { openPostgresArchive } from "./postgres-archive.ts";
import { openPostgresEngine, type PostgresEngine } from "./postgres-engine.ts";
import { withPostgres } from "./testing/server-for-tests.ts";
import { freshDatabase } from "./testing/temporary-engine.ts";

const clock = createManualClock();
const identity = { origin: "an installation", state: "as it is" };

await withPostgres((server) => {
  archiveTargetContract("the PostgreSQL engine", async () => ({
    async openEmpty() {
      const url = await freshDatabase(server());
      const { archive, close } = await openPostgresArchive({ url, clock });
      let served: PostgresEngine | undefined;
      return {
        target: archive,
        async serve() {
          await close();
          served = await openPostgresEngine({ url, clock });
          return served.stores;
        },
        close: () => served?.stop() ?? close(),
      };
    },
    close: async () => undefined,
  }));

  describe("a database that is copied into", () => {
    test("is not served before all of it is there", async () => {
      const url = await freshDatabase(server());
      const { archive, close } = await openPostgresArchive({ url, clock });
      await archive.begin(identity);
      await expect(openPostgresEngine({ url, clock })).rejects.toThrow("run tidings migrate to its end");
      await archive.finish();
      await close();
      await (await openPostgresEngine({ url, clock })).stop();
    });

    test("is one that nobody served before", async () => {
      const url = await freshDatabase(server());
      const engine = await openPostgresEngine({ url, clock });
      await engine.image.takeOver(3, 1);
      await engine.stop();
      const { archive, close } = await openPostgresArchive({ url, clock });
      await expect(archive.begin(identity)).rejects.toThrow("is served by a fleet, or was");
      await close();
    });

    test("is copied into by one process at a time, which waits for one that was ended", async () => {
      const url = await freshDatabase(server());
      const first = await openPostgresArchive({ url, clock });
      const second = openPostgresArchive({ url, clock });
      await first.archive.begin(identity);
      await first.close();
      const { archive, close } = await second;
      expect(await archive.begin(identity)).toBe("resumed");
      await close();
    });
  });
});
