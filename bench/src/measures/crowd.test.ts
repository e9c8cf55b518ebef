import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { collectGarbage, inspectable } from "../load/collect-garbage.ts";
import { startServer } from "../server-process.ts";
import { createPeerCrowd } from "./crowd.ts";
import { runBusy, runQuiet } from "./fan-out.ts";

test.each(["ws-loop", "raw-frames", "socketio-room"] as const)(
  "%s passes every message on to every client",
  async (name) => {
    const crowd = await createPeerCrowd(name, 3);
    try {
      expect(await runQuiet(crowd, 5)).toMatchObject({ deliveries: 15 });
      const busy = await runBusy(crowd, { durationMs: 20, window: 4 });
      expect(busy.deliveries).toBeGreaterThanOrEqual(12);
      expect(busy.deliveries % 3).toBe(0);
    } finally {
      await crowd.close();
    }
  },
);

test("a server can be made to collect its garbage, if it was started for it", async () => {
  const { flag, port } = await inspectable();
  await expect(collectGarbage(port)).rejects.toThrow();
  const server = await startServer([flag, fileURLToPath(new URL("../peers/ws-loop.ts", import.meta.url))]);
  try {
    await expect(collectGarbage(port)).resolves.toBeUndefined();
  } finally {
    await server.kill();
  }
});
