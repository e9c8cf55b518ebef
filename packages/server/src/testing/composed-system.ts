import type { System } from "@tidings/contract";
import { signUpOverWire } from "@tidings/contract";
import type { Stores } from "@tidings/core";
import { createMemoryLinks } from "@tidings/engine-memory";
import { pino } from "pino";
import { composeTidings } from "../compose.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import type { Tidings } from "../serving.ts";
import { parseSettings } from "../settings.ts";

/** Databases that a composed system runs on; `crash` leaves other stores behind. */
export type Databases = {
  readonly stores: Stores;
  crash?(): Promise<void>;
  close(): Promise<void>;
};

/** The whole server in this process, on a port of its own, reached over the wire: for the contract of the system. */
export async function openComposedSystem(databases: Databases): Promise<System> {
  let running = await start(databases.stores);
  const system: System = {
    signUp: () => signUpOverWire(() => running.url),
    async close() {
      await running.tidings.stop();
      await databases.close();
    },
  };
  const { crash } = databases;
  if (crash === undefined) return system;
  return {
    ...system,
    async crash() {
      await Promise.all([running.tidings.stop(), crash.call(databases)]);
      running = await start(databases.stores);
    },
  };
}

async function start(stores: Stores): Promise<{ tidings: Tidings; url: string }> {
  const clock = createRealClock();
  const tidings = await composeTidings({
    stores,
    links: createMemoryLinks({ clock }),
    settings: parseSettings(["--port", "0", "--messages-per-second", "10000", "--messages-burst", "10000"], {}),
    clock,
    random: createRealRandom(),
    log: pino({ level: "silent" }),
    storeCounts: () => ({ commits: 0, appends: 0, waiting: 0 }),
  });
  const { url } = await tidings.start();
  return { tidings, url };
}
