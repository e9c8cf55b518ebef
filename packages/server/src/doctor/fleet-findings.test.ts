import { createManualClock } from "@tidings/core";
import { describe, expect, it } from "vitest";
import { parseSettings } from "../settings.ts";
import { checkAcknowledgement } from "./check-acknowledgement.ts";
import { checkClocks } from "./check-clocks.ts";
import { checkNats } from "./check-nats.ts";
import { checkPostgres } from "./check-postgres.ts";
import { examineFleet } from "./examine-fleet.ts";
import { acknowledgement, conclusionOf, type Finding } from "./finding.ts";
import type { NatsExamination, NatsStreamExamination, PostgresExamination } from "./fleet-examination.ts";

const settings = parseSettings([], {});

const postgres: PostgresExamination = {
  version: "15.18 (Debian 15.18-0+deb12u1)",
  versionNumber: 150_018,
  fsync: "on",
  synchronousCommit: "on",
  fullPageWrites: "on",
  walLevel: "logical",
  replicationSlotsMax: 10,
  replicationSlotsUsed: 1,
  idleSlots: [],
  connectionsMax: 100,
  connectionsUsed: 20,
  synchronousStandbyNames: "",
  isInRecovery: false,
  mayReplicate: true,
  schemaVersion: 1,
  schemaVersionKnown: 1,
  isHalfCopied: false,
  clockMs: 0,
};

const stream: NatsStreamExamination = {
  name: "tidings-log-0",
  subjects: 64,
  replicas: 3,
  replicasCurrent: 3,
  storage: "file",
  discard: "new",
  bytes: 100 * 1024 ** 2,
  bytesMax: 1024 ** 3,
  ageMsMax: 14 * 24 * 3_600_000,
};
const bucket: NatsStreamExamination = { ...stream, name: "KV_tidings-leases", subjects: 1, discard: "new" };

const server = (name: string, syncInterval = "always", version = "2.12.1") => ({
  monitorUrl: `http://${name}:8222`,
  name,
  version,
  syncInterval,
  nowMs: undefined as number | undefined,
});

const nats: NatsExamination = {
  connectedTo: { name: "n1", version: "2.12.1", cluster: "garden" },
  servers: [server("n1"), server("n2"), server("n3")],
  streams: [stream, bucket],
};

/** Of one log and its bucket. */
const streams = (change: Partial<NatsStreamExamination>): Partial<NatsExamination> => ({
  streams: [{ ...stream, ...change }, bucket],
});

/** Those that are not good, a line each. */
const complaints = (findings: readonly Finding[]): readonly string[] =>
  findings.filter(({ level }) => level !== "good").map(({ level, what, says }) => `${level}: ${what}: ${says}`);

describe("PostgreSQL", () => {
  it("is sound as it comes, with wal_level logical", () => {
    expect(complaints(checkPostgres(postgres, settings))).toEqual([]);
    expect(checkPostgres(postgres, settings)).toContainEqual({
      level: "good",
      what: "max_connections",
      says: "100 (20 in use), room for 8 machines with these settings",
    });
  });

  it.each<[Partial<PostgresExamination>, string]>([
    [{ version: "14.12", versionNumber: 140_012 }, "bad: PostgreSQL: 14.12: it must be 15 or newer"],
    [{ schemaVersion: 0 }, "note: tables: There are none yet: the first machine makes them."],
    [
      { schemaVersion: 2 },
      "bad: tables: version 2, but this program knows versions up to 1: no machine of it serves them",
    ],
    [
      { isHalfCopied: true },
      "bad: tables: An installation is being migrated into this database and not all of it is there: run tidings migrate to its end",
    ],
    [
      { fsync: "off" },
      "bad: commits of the database: fsync is off: the loss of power may leave a database that cannot be read",
    ],
    [
      { synchronousCommit: "off" },
      "bad: commits of the database: synchronous_commit is off: accounts, tokens and read markers that were acknowledged may be lost",
    ],
    [
      { synchronousCommit: "local", synchronousStandbyNames: "*" },
      "note: commits of the database: synchronous_commit is local: a standby that takes over may not have got what was acknowledged last",
    ],
    [
      { synchronousCommit: "remote_write", synchronousStandbyNames: "*" },
      "note: commits of the database: synchronous_commit is remote_write: " +
        "a standby that takes over may not have fsynced what was acknowledged last",
    ],
    [{ isInRecovery: true }, "bad: recovery: This is a standby: nothing can be written to it. Name the primary."],
    [
      { fullPageWrites: "off" },
      "bad: full_page_writes: off: after the loss of power a page may be half old, and nothing mends it",
    ],
    [
      { mayReplicate: false },
      "bad: role: this role may not read the change feed, which notifications follow: ALTER ROLE … REPLICATION",
    ],
    [
      { walLevel: "replica" },
      "bad: wal_level: replica: the change feed, and notifications with it, need wal_level = logical",
    ],
    [
      { replicationSlotsMax: 4, replicationSlotsUsed: 4 },
      "note: replication slots: 4 of 4 used: a feed that has none yet gets none; raise max_replication_slots",
    ],
    [
      { idleSlots: [{ name: "old", keptBytes: 300 * 1024 ** 2 }] },
      "note: replication slot: old keeps 300 MiB of write-ahead log and nobody reads it: start what did, or drop it",
    ],
    [
      { idleSlots: [{ name: "old", keptBytes: 20 * 1024 ** 3 }] },
      "bad: replication slot: old keeps 20,480 MiB of write-ahead log and nobody reads it: start what did, or drop it",
    ],
    [{ connectionsMax: 13 }, "bad: max_connections: 13 (20 in use), room for 0 machines with these settings"],
  ])("%j is complained about", (change, complaint) => {
    expect(complaints(checkPostgres({ ...postgres, ...change }, settings))).toEqual([complaint]);
  });

  it.each<[string, string, string]>([
    ["on", "", "fsynced on one server (synchronous_commit on)"],
    ["local", "", "fsynced on one server (synchronous_commit local)"],
    ["remote_apply", "FIRST 1 (a)", "fsynced here and on standbys (FIRST 1 (a); synchronous_commit remote_apply)"],
  ])("that commits with %s and the standbys %j is in order", (synchronousCommit, synchronousStandbyNames, says) => {
    const findings = checkPostgres({ ...postgres, synchronousCommit, synchronousStandbyNames }, settings);
    expect(findings).toContainEqual({ level: "good", what: "commits of the database", says });
  });

  it("may have a slot that nobody reads for a while", () => {
    const idleSlots = [{ name: "new", keptBytes: 1024 ** 2 }];
    expect(complaints(checkPostgres({ ...postgres, idleSlots }, settings))).toEqual([]);
  });
});

describe("NATS", () => {
  it("is sound with three servers and a log of three replicas", () => {
    expect(complaints(checkNats(nats, settings))).toEqual([]);
  });

  it.each<[string, Partial<NatsExamination>, readonly string[]]>([
    [
      "an old server",
      { servers: [server("n1"), server("n2", "always", "2.9.25")] },
      ["bad: NATS: 2.9.25: it must be 2.10 or newer"],
    ],
    [
      "servers of several versions",
      { servers: [server("n1"), server("n2", "always", "2.10.4")] },
      ["note: NATS: 2.12.1, 2.10.4: servers of several versions"],
    ],
    [
      "one server where three are to hold the log",
      { connectedTo: { ...nats.connectedTo, cluster: undefined } },
      ["bad: NATS cluster: one server, and --log-replicas is 3: the log cannot be made so"],
    ],
    [
      "a monitoring address that does not answer",
      { servers: [server("n1"), { ...server("unknown", "unknown", "unknown"), monitorUrl: "http://n9:8222" }] },
      ["note: NATS monitoring: http://n9:8222 does not answer"],
    ],
    ["no log yet", { streams: [] }, ["note: partitions of the log: There is no log yet: the first machine makes it."]],
    [
      "a log of other partitions",
      streams({ subjects: 16 }),
      ["bad: partitions of the log: 16, and --partitions is 64: no machine starts with that; they are fixed"],
    ],
    [
      "fewer replicas than set",
      streams({ replicas: 1, replicasCurrent: 1 }),
      ["note: replicas: tidings-log-0 has 1, and --log-replicas is 3"],
    ],
    [
      "a bucket of fewer replicas",
      { streams: [stream, { ...bucket, replicas: 1, replicasCurrent: 1 }] },
      ["note: replicas: KV_tidings-leases has 1, and --log-replicas is 3"],
    ],
    [
      "a replica that is away",
      streams({ replicasCurrent: 2 }),
      ["note: replicas: tidings-log-0: 2 of 3 are there and up to date"],
    ],
    [
      "most replicas away",
      streams({ replicasCurrent: 1 }),
      ["bad: replicas: tidings-log-0: 1 of 3 are there and up to date"],
    ],
    [
      "a log that forgets",
      streams({ discard: "old" }),
      [
        "bad: a full log: tidings-log-0 forgets its oldest records when it is full, acknowledged ones: " +
          'its discard policy must be "new"',
      ],
    ],
    [
      "a log without a limit",
      streams({ bytesMax: -1 }),
      ["note: room in the log: tidings-log-0 has no limit: it may fill the disk"],
    ],
    [
      "a log that is nearly full",
      streams({ bytes: 900 * 1024 ** 2 }),
      ["note: room in the log: tidings-log-0: 900 of 1,024 MiB; full, it refuses messages"],
    ],
    [
      "a log that is full",
      streams({ bytes: 1023 * 1024 ** 2 }),
      ["bad: room in the log: tidings-log-0: 1,023 of 1,024 MiB; full, it refuses messages"],
    ],
    [
      "a log that keeps a day",
      streams({ ageMsMax: 24 * 3_600_000 }),
      [
        "note: age of records: tidings-log-0 keeps records for 24.0 h: " +
          "what no worker stores within that time is lost, acknowledged or not",
      ],
    ],
    [
      "a log that keeps ten minutes",
      streams({ ageMsMax: 600_000 }),
      [
        "bad: age of records: tidings-log-0 keeps records for 0.2 h: " +
          "what no worker stores within that time is lost, acknowledged or not",
      ],
    ],
  ])("with %s is complained about", (_, change, expected) => {
    expect(complaints(checkNats({ ...nats, ...change }, settings))).toEqual(expected);
  });

  it("with one server is noted where that was asked for", () => {
    const alone = {
      connectedTo: { ...nats.connectedTo, cluster: undefined },
      servers: [server("n1")],
      streams: [{ ...stream, replicas: 1, replicasCurrent: 1 }],
    };
    expect(complaints(checkNats(alone, parseSettings(["--log-replicas=1"], {})))).toEqual([
      "note: NATS cluster: one server: without it nothing is taken or delivered",
    ]);
  });

  it("counts the partitions over all streams of the log", () => {
    const halves = [0, 1].map((index) => ({ ...stream, name: `tidings-log-${index}`, subjects: 32 }));
    expect(checkNats({ ...nats, streams: [...halves, bucket] }, settings)).toContainEqual({
      level: "good",
      what: "partitions of the log",
      says: "64, in 2 streams",
    });
  });
});

describe("an acknowledgement", () => {
  const survives = "NATS fsyncs always: an acknowledged message survives the loss of power of all machines.";
  const three = "3 servers hold the log: it goes on without one of them.";
  const one = "One server holds the log: the loss of its disk loses what was not stored yet.";
  const unknown = "it is not known whether it survives the loss of power:";
  const single = { replicas: 1, replicasCurrent: 1 };

  it.each<[string, Partial<NatsExamination>, string]>([
    ["three replicas that fsync always", {}, `good: ${survives} ${three}`],
    [
      "one replica that fsyncs always",
      { ...streams(single), connectedTo: { ...nats.connectedTo, cluster: undefined }, servers: [server("n1")] },
      `note: ${survives} ${one}`,
    ],
    [
      "three replicas that fsync as NATS does by default",
      { servers: [server("n1", "120 s"), server("n2", "120 s"), server("n3", "120 s")] },
      "bad: NOT power-safe: n1 fsyncs every 120 s (sync_interval); what was acknowledged since is lost if " +
        "most of the 3 servers that hold it lose power together",
    ],
    [
      "one replica that fsyncs every ten seconds",
      { ...streams(single), servers: [server("n1", "10 s")] },
      "bad: NOT power-safe: n1 fsyncs every 10 s (sync_interval); what was acknowledged since is lost if its server loses power",
    ],
    [
      "a server among the three that fsyncs late",
      { servers: [server("n1"), server("n2", "unknown"), server("n3", "120 s")] },
      "bad: NOT power-safe: n3 fsyncs every 120 s (sync_interval); what was acknowledged since is lost if " +
        "most of the 3 servers that hold it lose power together",
    ],
    [
      "servers of which nobody was asked",
      { servers: [] },
      `note: ${unknown} no server says how it fsyncs; name --nats-monitor-urls. ${three}`,
    ],
    [
      "a server that does not say",
      { servers: [server("n1"), server("n2"), server("n3", "unknown")] },
      `note: ${unknown} only 2 of 3 servers say how it fsyncs; name --nats-monitor-urls. ${three}`,
    ],
    [
      "one server that was asked thrice",
      { servers: [server("n1"), server("n1"), server("n1")] },
      `note: ${unknown} only 1 of 3 servers say how it fsyncs; name --nats-monitor-urls. ${three}`,
    ],
    [
      "a cluster of more servers than were asked",
      { servers: [server("n1"), server("n2"), server("n3")].map((one) => ({ ...one, clusterSize: 5 })) },
      `note: ${unknown} only 3 of 5 servers say how it fsyncs; name --nats-monitor-urls. ${three}`,
    ],
    [
      "a log in memory",
      streams({ storage: "memory" }),
      "bad: tidings-log-0 is kept in memory: the loss of power loses acknowledged messages",
    ],
    ["no log yet", { streams: [] }, `good: ${survives} ${three}`],
  ])("over %s is worth what is said", (_, change, expected) => {
    const { level, says } = checkAcknowledgement({ ...nats, ...change }, settings);
    expect(`${level}: ${says}`).toBe(expected);
  });
});

describe("the last word", () => {
  const ack = (level: Finding["level"]): Finding => ({ level, what: acknowledgement, says: "it depends." });

  it.each<[readonly Finding[], string]>([
    [[], "An acknowledged message survives the loss of power here."],
    [[ack("good")], "An acknowledged message survives the loss of power here."],
    [[ack("note")], "What an acknowledgement is worth here: it depends."],
    [[ack("note"), { level: "bad", what: "NATS", says: "gone" }], "1 to be mended."],
  ])("about %j is: %s", (findings, word) => {
    expect(conclusionOf(findings)).toBe(word);
  });
});

describe("clocks", () => {
  it.each<[number, string]>([
    [10_000, "good: agrees with this machine's"],
    [10_400, "good: agrees with this machine's"],
    [11_400, "good: agrees with this machine's"],
    [9_500, "good: agrees with this machine's"],
    [12_900, "note: 2.4 s ahead of this machine's; keep them together (NTP)"],
    [4_000, "bad: 6.0 s behind this machine's; keep them together (NTP)"],
  ])("a server's at %i, asked from 10000 to 10500", (serverMs, expected) => {
    const [finding] = checkClocks([{ whose: "NATS", serverMs, beforeMs: 10_000, afterMs: 10_500 }]);
    expect(`${finding?.level}: ${finding?.says}`).toBe(expected);
  });
});

describe("the examination of a fleet", () => {
  it("says first what an acknowledgement is worth, and then everything else", async () => {
    const clock = createManualClock();
    const nowMs = clock.nowMs();
    const examiners = {
      postgres: async () => ({ ...postgres, clockMs: nowMs + 60_000 }),
      nats: async () => ({ ...nats, servers: nats.servers.map((one) => ({ ...one, nowMs })) }),
    };
    const findings = await examineFleet(settings, { examiners, clock });
    expect(findings[0]).toMatchObject({ level: "good", what: acknowledgement });
    expect(complaints(findings)).toEqual([
      "bad: clock of PostgreSQL: 60.0 s ahead of this machine's; keep them together (NTP)",
    ]);
  });

  it("says of what does not answer why, and goes on with the other", async () => {
    const examiners = {
      postgres: async () => ({ ...postgres, clockMs: createManualClock().nowMs() }),
      nats: () => Promise.reject(new Error("The servers do not answer.", { cause: new Error("ECONNREFUSED") })),
    };
    const findings = await examineFleet(settings, { examiners, clock: createManualClock() });
    expect(findings[0]).toEqual({
      level: "bad",
      what: "NATS",
      says: "could not be looked at: The servers do not answer. ← ECONNREFUSED",
    });
    expect(findings).toContainEqual(expect.objectContaining({ what: "PostgreSQL", level: "good" }));
  });
});
