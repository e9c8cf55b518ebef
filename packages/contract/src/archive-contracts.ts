import type { ArchiveIdentity, ArchiveSource, ArchiveTarget, Stores } from "@tidings/core";
import { archiveSourceCases } from "./archive-source-cases.ts";
import { archiveTargetCases } from "./archive-target-cases.ts";
import { type Closable, registerContract } from "./contract-case.ts";

/** An installation that is filled through its stores, and read out while nobody serves it. */
export type ArchiveSourceFixture = Closable & {
  readonly stores: Stores;
  read<T>(work: (archive: ArchiveSource) => Promise<T>): Promise<T>;
  /** What `ArchiveSource.identity` would answer. */
  identityNow(): Promise<ArchiveIdentity>;
};

/** A way to empty installations that are copied into. */
export type ArchiveTargetFixture = Closable & { openEmpty(): Promise<OpenedTarget> };

export type OpenedTarget = {
  readonly target: ArchiveTarget;
  /** Serves what was copied, after `finish`; for the target itself it is closed. */
  serve(): Promise<Stores>;
  close(): Promise<void>;
};

export const archiveSourceContract = (engine: string, open: () => Promise<ArchiveSourceFixture>): void =>
  registerContract(`ArchiveSource of ${engine}`, archiveSourceCases, open);
export const archiveTargetContract = (engine: string, open: () => Promise<ArchiveTargetFixture>): void =>
  registerContract(`ArchiveTarget of ${engine}`, archiveTargetCases, open);
