import { createManualClock } from "@tidings/core";
import { describe, expect, it } from "vitest";
import { parseSettings } from "../settings.ts";
import { checkAcknowledgement } from "./check-acknowledgement.ts";
import { checkClocks } from "./check-clocks.ts";
import { checkNats } from "./check-nats.ts";
import { checkPostgres } from "./check-postgres.ts";
import { examineFleet } from "./examine-fleet.ts";
import { acknowledgement, conclusionOf, type Finding } from "./finding.ts";
import type { NatsExamination, PostgresExamination, StreamExamination } from "./fleet-examination.ts";

const settings = parseSettings([], {});

const postgres: PostgresExamination = {
  version: "15.8 (Debian 15.8-0+deb12u1)",
  fsync: true,
  synchronousCommit: "on",
  fullPageWrites: true,
  walLevel: "logical",
  replicationSlots: { max: 10, used: 1 },
  idleSlots: [],
  maxConnections: 100,
  synchronousStandbyNames: "",
  inRecovery: false,
  schemaVersion: 1,
  serverClockMs: 0,
};

const stream: StreamExamination = {
  name: "tidings-log-0",
  replicas: 3,
  storage: "file",
  discard: "new",
  bytes: 100 * 1024 ** 2,
  bytesMax: 1024 ** 3,
};

const server = (name: string, syncIntervalMs: number | "unknown" = 0) => ({ name, version: "2.12.1", syncIntervalMs });

const nats: NatsExamination = {
  servers: [server("n1"), server("n2"), server("n3")],
  clusterSize: 3,
  log: [stream],
  buckets: [{ ...stream, name: "KV_tidings-leases", discard: "new" }],
  partitions: 64,
  serverClockMs: 0,
};

/** Those that are not good, a line each. */
const complaints = (findings: readonly Finding[]): readonly string[] =>
  findings.filter(({ level }) => level !== "good").map(({ level, what, says }) => `${level}: ${what}: ${says}`);

describe("PostgreSQL", () => {
  it("is sound as it comes, with wal_level logical", () => {
    expect(complaints(checkPostgres(postgres, settings))).toEqual([]);
    expect(checkPostgres(postgres, settings)).toContainEqual({
      level: "good",
      what: "max_connections",
      says: "100, room for 5 machines with these settings",
    });
  });

  it.each<[Partial<PostgresExamination>, string]>([
    [{ version: "14.12" }, "bad: PostgreSQL: 14.12: it must be 15 or newer"],
    [{ schemaVersion: undefined }, "note: tables: There are none yet: the first machine makes them."],
    [
      { fsync: false },
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
    [{ inRecovery: true }, "bad: recovery: This is a standby: nothing can be written to it. Name the primary."],
    [
      { fullPageWrites: false },
      "bad: full_page_writes: off: after the loss of power a page may be half old, and nothing mends it",
    ],
    [
      { walLevel: "replica" },
      "bad: wal_level: replica: the change feed, and notifications with it, need wal_level = logical",
    ],
    [
      { replicationSlots: { max: 4, used: 4 } },
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
    [{ maxConnections: 19 }, "bad: max_connections: 19, room for 0 machines with these settings"],
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
      { servers: [server("n1"), { ...server("n2"), version: "2.9.25" }] },
      ["bad: NATS: 2.9.25: it must be 2.10 or newer"],
    ],
    [
      "servers of several versions",
      { servers: [server("n1"), { ...server("n2"), version: "2.10.4" }] },
      ["note: NATS: 2.12.1, 2.10.4: servers of several versions"],
    ],
    [
      "fewer servers than replicas",
      { clusterSize: 1 },
      ["bad: NATS cluster: one server, and --log-replicas is 3: the log cannot be made so"],
    ],
    [
      "no log yet",
      { log: [], buckets: [], partitions: undefined },
      ["note: partitions of the log: There is no log yet: the first machine makes it."],
    ],
    [
      "a log of other partitions",
      { partitions: 16 },
      ["bad: partitions of the log: 16, and --partitions is 64: no machine starts with that; they are fixed"],
    ],
    [
      "fewer replicas than set",
      { log: [{ ...stream, replicas: 1 }] },
      ["note: replicas: tidings-log-0 has 1, and --log-replicas is 3"],
    ],
    [
      "a bucket of fewer replicas",
      { buckets: [{ ...stream, name: "KV_leases", replicas: 1 }] },
      ["note: replicas: KV_leases has 1, and --log-replicas is 3"],
    ],
    [
      "a log that forgets",
      { log: [{ ...stream, discard: "old" }] },
      [
        'bad: a full log: tidings-log-0 forgets its oldest records when it is full, acknowledged ones: its discard policy must be "new"',
      ],
    ],
    [
      "a log without a limit",
      { log: [{ ...stream, bytesMax: undefined }] },
      ["note: room in the log: tidings-log-0 has no limit: it may fill the disk"],
    ],
    [
      "a log that is nearly full",
      { log: [{ ...stream, bytes: 900 * 1024 ** 2 }] },
      ["note: room in the log: tidings-log-0: 900 of 1,024 MiB; full, it refuses messages"],
    ],
    [
      "a log that is full",
      { log: [{ ...stream, bytes: 1023 * 1024 ** 2 }] },
      ["bad: room in the log: tidings-log-0: 1,023 of 1,024 MiB; full, it refuses messages"],
    ],
  ])("with %s is complained about", (_, change, expected) => {
    expect(complaints(checkNats({ ...nats, ...change }, settings))).toEqual(expected);
  });

  it("with one server is noted where that was asked for", () => {
    const one = { ...nats, servers: [server("n1")], clusterSize: 1, log: [{ ...stream, replicas: 1 }], buckets: [] };
    expect(complaints(checkNats(one, parseSettings(["--log-replicas=1"], {})))).toEqual([
      "note: NATS cluster: one server: without it nothing is taken or delivered",
    ]);
  });
});

describe("an acknowledgement", () => {
  const twoMinutes = 120_000;
  const of = (change: Partial<NatsExamination>): string => {
    const { level, says } = checkAcknowledgement({ ...nats, ...change }, 3);
    return `${level}: ${says}`;
  };

  it.each<[string, Partial<NatsExamination>, string]>([
    [
      "three replicas that fsync always",
      {},
      "good: NATS fsyncs always: an acknowledged message survives the loss of power of all machines. " +
        "3 servers hold the log: it goes on without one of them.",
    ],
    [
      "one replica that fsyncs always",
      { log: [{ ...stream, replicas: 1 }] },
      "note: NATS fsyncs always: an acknowledged message survives the loss of power of all machines. " +
        "One server holds the log: the loss of its disk loses what was not stored yet.",
    ],
    [
      "three replicas that fsync as NATS does by default",
      { servers: [server("n1", twoMinutes), server("n2", twoMinutes), server("n3", twoMinutes)] },
      "bad: NOT power-safe: NATS fsyncs every 2m (sync_interval), what was acknowledged since is lost if " +
        "a majority of the 3 servers that hold it lose power together",
    ],
    [
      "one replica that fsyncs every ten seconds",
      { servers: [server("n1", 10_000)], log: [{ ...stream, replicas: 1 }] },
      "bad: NOT power-safe: NATS fsyncs every 10s (sync_interval), what was acknowledged since is lost if its server loses power",
    ],
    [
      "a server among the three that fsyncs late",
      { servers: [server("n1"), server("n2", "unknown"), server("n3", twoMinutes)] },
      "bad: NOT power-safe: NATS fsyncs every 2m (sync_interval), what was acknowledged since is lost if " +
        "a majority of the 3 servers that hold it lose power together",
    ],
    [
      "a server that was not asked",
      { servers: [server("n1"), server("n2"), server("n3", "unknown")] },
      "note: it is not known whether it survives the loss of power: name all servers' --nats-monitor-urls. " +
        "3 servers hold the log: it goes on without one of them.",
    ],
    [
      "a log in memory",
      { log: [{ ...stream, storage: "memory" }] },
      "bad: tidings-log-0 is kept in memory: the loss of power loses acknowledged messages",
    ],
    [
      "no log yet",
      { log: [] },
      "good: NATS fsyncs always: an acknowledged message survives the loss of power of all machines. " +
        "3 servers hold the log: it goes on without one of them.",
    ],
  ])("over %s is worth what is said", (_, change, says) => {
    expect(of(change)).toBe(says);
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
    const serverClockMs = clock.nowMs();
    const examiners = {
      postgres: async () => ({ ...postgres, serverClockMs: serverClockMs + 60_000 }),
      nats: async () => ({ ...nats, serverClockMs }),
    };
    const findings = await examineFleet(settings, { examiners, clock });
    expect(findings[0]).toMatchObject({ level: "good", what: acknowledgement });
    expect(complaints(findings)).toEqual([
      "bad: clock of PostgreSQL: 60.0 s ahead of this machine's; keep them together (NTP)",
    ]);
  });

  it("says of what does not answer why, and goes on with the other", async () => {
    const examiners = {
      postgres: async () => postgres,
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
