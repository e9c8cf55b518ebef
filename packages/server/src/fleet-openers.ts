import type {
  ConnectionDirectory,
  FleetEngines,
  Inquiry,
  Leases,
  LogImage,
  MachineLink,
  MessageLog,
  Stores,
} from "@tidings/core";

/** What a program of a fleet needs of its engines; main.ts says which they are. */
export type FleetOpeners = {
  readonly databases: Opener<DatabaseEngine>;
  readonly broker: Opener<BrokerEngine>;
};

/** Opens an engine; rejects while it cannot be used, and may be called again then. */
export type Opener<Engine> = { readonly name: string; open(): Promise<Engine> };

/** The databases of a fleet, opened: `Stores`, and the image of the Message Log that is in them. */
export type DatabaseEngine = OpenedEngine & {
  readonly stores: Stores;
  readonly image: LogImage;
  /** Transactions of entries and the requests stored in them, since the start; calls that wait, now. */
  readonly stats: { readonly commits: number; readonly appends: number; readonly waiting: number };
};

/** The log, the leases and the links of a fleet, opened. */
export type BrokerEngine = OpenedEngine & {
  readonly log: MessageLog;
  readonly leases: Leases;
  readonly machines: MachineLink;
  readonly connections: ConnectionDirectory;
  /** How machines ask each other what only they know; without it `explain` knows one machine only. */
  readonly ask?: Inquiry;
};

export type OpenedEngine = {
  /** Finishes what is under way. */
  drain(): Promise<void>;
  /** Ends its connections. */
  stop(): Promise<void>;
};

export function fleetEnginesOf({ image }: DatabaseEngine, { log, leases }: BrokerEngine): FleetEngines {
  return { log, leases, image };
}
