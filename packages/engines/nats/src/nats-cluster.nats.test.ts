import { type NatsCluster, startNatsCluster } from "@tidings/cluster/servers/nats-server.ts";
import { withNats } from "@tidings/cluster/servers/testing/with-nats.ts";
import { leasesContract, manualTime, messageLogContract } from "@tidings/contract";
import type { Lease } from "@tidings/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { examineNats } from "./examine-nats.ts";
import type { NatsEngine } from "./nats-engine.ts";
import { appendUntil, isUnavailable, until } from "./testing/appending.ts";
import { openRealEngine, openTimedEngine } from "./testing/open-engine.ts";

const engine = "a cluster of three NATS servers";

await withNats("the log and the leases on a cluster of three NATS servers", () => {
  let cluster: NatsCluster;
  let opened: NatsEngine;
  const options = () => ({ servers: cluster.urls, replicas: 3 });

  beforeAll(async () => {
    cluster = await startNatsCluster(3);
    opened = await openRealEngine(options());
  });
  afterAll(async () => {
    await opened?.stop();
    await cluster?.stop();
  });

  messageLogContract(engine, async () => ({ log: opened.log, close: async () => undefined }));

  leasesContract(engine, async () => {
    const { clock, engine: timed } = await openTimedEngine(options());
    return { leases: timed.leases, time: manualTime(clock), close: () => timed.stop() };
  });

  describe("a cluster of three", () => {
    test("tells what it is", async () => {
      const { servers, streams } = await examineNats({
        servers: cluster.urls,
        name: "tidings",
        monitorUrls: cluster.servers.map(({ monitorUrl }) => monitorUrl),
      });
      expect(servers.map(({ syncInterval }) => syncInterval)).toEqual(["always", "always", "always"]);
      expect(streams.map(({ name }) => name).sort()).toEqual([
        "KV_tidings-connections",
        "KV_tidings-leases",
        "tidings-log-0",
        "tidings-log-1",
      ]);
      expect(new Set(streams.map(({ replicas }) => replicas))).toEqual(new Set([3]));
    });

    test("loses and reorders nothing that was acknowledged when the leader of the log is killed under load", async () => {
      const { log } = opened;
      const after = await log.end(0);
      const stop = new AbortController();
      const appending = appendUntil(log, 0, stop.signal);
      await until(() => appending.acknowledged.length > 20);
      const { streams } = await examineNats({ servers: cluster.urls, name: "tidings" });
      const leader = streams.find(({ name }) => name === "tidings-log-0")?.leader;
      const server = cluster.servers.find(({ name }) => name === leader);
      expect(server).toBeDefined();
      await server?.kill("SIGKILL");
      const before = appending.acknowledged.length;
      await until(() => appending.acknowledged.length > before + 20);
      stop.abort();
      await appending.ended;
      await server?.restart();
      const end = await log.end(0);
      const bodies: string[] = [];
      let last = after;
      while (last < end) {
        try {
          for await (const batch of log.read(0, last, new AbortController().signal)) {
            last = batch.at(-1)?.position ?? last;
            bodies.push(...batch.map(({ body }) => body));
            if (last >= end) break;
          }
        } catch (error) {
          if (!isUnavailable(error)) throw error;
        }
      }
      const firsts = [...new Set(bodies)].filter((body) => appending.acknowledged.includes(body));
      expect(firsts).toEqual(appending.acknowledged);
    }, 40_000);

    test("gives higher epochs after all servers were killed and started again", async () => {
      const before = (await opened.leases.acquire("epochs", "one", 60_000)) as Lease;
      await Promise.all(cluster.servers.map((server) => server.kill("SIGKILL")));
      await cluster.restart();
      let again: Lease | undefined;
      await until(async () => {
        again = await opened.leases.acquire("epochs", "one", 60_000).catch(() => undefined);
        return again !== undefined;
      });
      expect(again?.epoch).toBeGreaterThan(before.epoch);
    }, 40_000);
  });
});
