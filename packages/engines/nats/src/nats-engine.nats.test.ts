import { startNats } from "@tidings/cluster/servers/nats-server.ts";
import { withNats } from "@tidings/cluster/servers/testing/with-nats.ts";
import {
  connectionDirectoryContract,
  inquiryContract,
  leasesContract,
  machineLinkContract,
  manualTime,
  messageLogContract,
} from "@tidings/contract";
import { openRealEngine, openTimedEngine } from "./testing/open-engine.ts";

const engine = "NATS";

/** Whatever a fixture has besides its end, over a server of its own. */
async function overServer() {
  const server = await startNats();
  const { clock, engine: opened } = await openTimedEngine({ servers: [server.url] });
  return {
    clock,
    engine: opened,
    close: async () => {
      await opened.stop();
      await server.stop();
    },
  };
}

await withNats("the log, the leases and the links on NATS", () => {
  messageLogContract(engine, async () => {
    const server = await startNats();
    let opened = await openRealEngine({ servers: [server.url] });
    return {
      get log() {
        return opened.log;
      },
      async crash() {
        await server.kill("SIGKILL");
        await opened.stop();
        await server.restart();
        opened = await openRealEngine({ servers: [server.url] });
      },
      async close() {
        await opened.stop();
        await server.stop();
      },
    };
  });

  leasesContract(engine, async () => {
    const { clock, engine: opened, close } = await overServer();
    return { leases: opened.leases, time: manualTime(clock), close };
  });

  connectionDirectoryContract(engine, async () => {
    const { clock, engine: opened, close } = await overServer();
    return { directory: opened.connections, time: manualTime(clock), close };
  });

  machineLinkContract(engine, async () => {
    const { engine: opened, close } = await overServer();
    return { link: opened.machines, close };
  });

  inquiryContract(engine, async () => {
    const { clock, engine: opened, close } = await overServer();
    return { inquiry: opened.ask, pass: (ms) => clock.advance(ms), close };
  });
});
