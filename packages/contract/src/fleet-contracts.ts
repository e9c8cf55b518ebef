import type { Leases, LogImage, MessageLog, Stores } from "@tidings/core";
import { type Closable, registerContract } from "./contract-case.ts";
import { leasesCases } from "./leases-cases.ts";
import { logImageCases } from "./log-image-cases.ts";
import { messageLogCases } from "./message-log-cases.ts";
import type { PassingTime } from "./passing-time.ts";

export type LogFixture = Closable & {
  /** The log as it is open now; at least two partitions. Cases share them, and begin at their ends. */
  readonly log: MessageLog;
  /** As of an Installation: absent where nothing is durable. */
  crash?(): Promise<void>;
};

export type ImageFixture = Closable & {
  /** Of the same database as the image, both as they are open now. */
  readonly stores: Pick<Stores, "messages">;
  readonly image: LogImage;
  crash?(): Promise<void>;
};

export type LeasesFixture = Closable & { readonly leases: Leases; readonly time: PassingTime };

export const messageLogContract = (engine: string, open: () => Promise<LogFixture>): void =>
  registerContract(`MessageLog of ${engine}`, messageLogCases, open);
export const logImageContract = (engine: string, open: () => Promise<ImageFixture>): void =>
  registerContract(`LogImage of ${engine}`, logImageCases, open);
export const leasesContract = (engine: string, open: () => Promise<LeasesFixture>): void =>
  registerContract(`Leases of ${engine}`, leasesCases, open);
