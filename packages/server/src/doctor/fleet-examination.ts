/** What the engines of a fleet say of themselves when they are looked at. Nothing in it is a secret. */

export type PostgresExamination = {
  /** As the server says it, `15.8 (Debian 15.8-0+deb12u1)`. */
  readonly version: string;
  readonly fsync: boolean;
  /** `on`, `off`, `local`, `remote_write` or `remote_apply`. */
  readonly synchronousCommit: string;
  readonly fullPageWrites: boolean;
  readonly walLevel: string;
  readonly replicationSlots: { readonly max: number; readonly used: number };
  /** Slots that nobody reads at the moment, with the bytes of write-ahead log that are kept for them. */
  readonly idleSlots: readonly { readonly name: string; readonly keptBytes: number }[];
  readonly maxConnections: number;
  /** Empty: commits wait for no standby. */
  readonly synchronousStandbyNames: string;
  readonly inRecovery: boolean;
  /** Of the tables that are there; undefined if there are none yet. */
  readonly schemaVersion: number | undefined;
  readonly serverClockMs: number;
};

export type NatsExamination = {
  readonly servers: readonly NatsServerExamination[];
  /** How many servers the cluster says that it has; 1 without a cluster. */
  readonly clusterSize: number;
  /** The streams of the Message Log. None yet before the first machine was started. */
  readonly log: readonly StreamExamination[];
  /** The streams under the buckets of leases and connections. */
  readonly buckets: readonly StreamExamination[];
  /** That the log was laid out with; undefined if there is none yet, or it does not say. */
  readonly partitions: number | undefined;
  readonly serverClockMs: number | undefined;
};

export type NatsServerExamination = {
  readonly name: string;
  readonly version: string;
  /** How long what is written may wait for its fsync: 0 is `sync_interval: always`. Unknown unless its monitoring address is named. */
  readonly syncIntervalMs: number | "unknown";
};

export type StreamExamination = {
  readonly name: string;
  readonly replicas: number;
  readonly storage: "file" | "memory";
  /** What happens to a full one: `new` refuses, `old` forgets. */
  readonly discard: "new" | "old";
  readonly bytes: number;
  /** Undefined: without a limit of its own. */
  readonly bytesMax: number | undefined;
};
