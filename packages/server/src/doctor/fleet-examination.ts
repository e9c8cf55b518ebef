/** What the engines of a fleet say of themselves when they are looked at; see the engines. Nothing in it is a secret. */

export type PostgresExamination = {
  readonly version: string;
  /** 150018 is 15.18. */
  readonly versionNumber: number;
  readonly fsync: string;
  /** `on`, `off`, `local`, `remote_write` or `remote_apply`. */
  readonly synchronousCommit: string;
  readonly fullPageWrites: string;
  readonly walLevel: string;
  readonly replicationSlotsMax: number;
  readonly replicationSlotsUsed: number;
  /** Slots that nobody reads at the moment, with the bytes of write-ahead log that are kept for them. */
  readonly idleSlots: readonly { readonly name: string; readonly keptBytes: number }[];
  readonly connectionsMax: number;
  readonly connectionsUsed: number;
  /** Empty: commits wait for no standby. */
  readonly synchronousStandbyNames: string;
  readonly isInRecovery: boolean;
  /** May this role read the change feed? */
  readonly mayReplicate: boolean;
  /** 0: there are no tables of ours yet. */
  readonly schemaVersion: number;
  /** The newest that this program knows. */
  readonly schemaVersionKnown: number;
  /** A migration into it has not come to its end. */
  readonly isHalfCopied: boolean;
  readonly clockMs: number;
};

export type NatsExamination = {
  /** The server that answered; without a cluster it is the only one. */
  readonly connectedTo: { readonly name: string; readonly version: string; readonly cluster: string | undefined };
  /** Those whose monitoring addresses are named. */
  readonly servers: readonly NatsServerExamination[];
  /** Those of the log, and those under the buckets of leases and connections (`KV_…`). None before the first machine was started. */
  readonly streams: readonly NatsStreamExamination[];
};

export type NatsServerExamination = {
  readonly monitorUrl: string;
  readonly name: string;
  readonly version: string;
  /** Whether a write is on the disk before it is answered: `always`, a time such as `120 s`, or `unknown`. */
  readonly syncInterval: string;
  readonly nowMs: number | undefined;
  /** Servers that keep streams in its cluster, named to us or not. */
  readonly clusterSize?: number;
};

export type NatsStreamExamination = {
  readonly name: string;
  /** Of a stream of the log: its share of the partitions. */
  readonly subjects: number;
  readonly replicas: number;
  /** Those that are there and not behind. */
  readonly replicasCurrent: number;
  readonly storage: string;
  /** What happens to a full one: `new` refuses, `old` forgets. */
  readonly discard: string;
  readonly bytes: number;
  /** -1: without a limit. */
  readonly bytesMax: number;
  /** 0: for ever. */
  readonly ageMsMax: number;
};

export const isLogStream = ({ name }: NatsStreamExamination): boolean => !name.startsWith("KV_");
