import {
  type ArchiveKind,
  ArchiveRefusedError,
  type ArchiveSource,
  type ArchiveTarget,
  type Clock,
  type Links,
  type Random,
  type Stores,
} from "@tidings/core";
import type { Logger } from "pino";
import { noDataFolder } from "../doctor/examine-embedded.ts";
import { findDataFolder } from "../real/data-folder.ts";
import { interruptedCode } from "../real/end-of-process.ts";
import { type Settings, SettingsError } from "../settings.ts";
import { migrate, type MigrationStep, type MigrationSummary } from "./migrate.ts";

export type MigrationProgram = {
  readonly settings: Settings;
  readonly databaseUrl: string | undefined;
  /** The last line on the standard output is an object then. */
  readonly json: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly links: Links;
  readonly openSource: (file: string) => { archive: ArchiveSource; close(): void };
  readonly openTarget: (url: string) => Promise<{ archive: ArchiveTarget; stores: Stores; close(): Promise<void> }>;
  readonly print: (line: string) => void;
  readonly note: (line: string) => void;
  readonly signal: AbortSignal;
};

const exitCodes = { done: 0, failed: 1, interrupted: interruptedCode } as const;

/** The command `tidings migrate`: says how far it is, and how it ended. Resolves with the exit code. */
export async function runMigration(program: MigrationProgram): Promise<number> {
  const { settings, databaseUrl, clock, note, signal } = program;
  if (databaseUrl === undefined) {
    throw new SettingsError(["migrate needs --database-url: the PostgreSQL database to copy into."]);
  }
  const data = findDataFolder(settings.data);
  if (data === undefined) {
    note(`tidings: ${noDataFolder(settings).says}`);
    return exitCodes.failed;
  }
  const beganMs = clock.monotonicMs();
  const source = program.openSource(data.database);
  try {
    const target = await program.openTarget(databaseUrl);
    try {
      const summary = await migrate({
        source: source.archive,
        target: target.archive,
        base: { stores: target.stores, clock, random: program.random, log: program.log },
        links: program.links,
        signal,
        onStep: createStepLines(clock, note),
      });
      report(program, { summary, seconds: (clock.monotonicMs() - beganMs) / 1_000 });
      return exitCodes.done;
    } finally {
      await target.close();
    }
  } catch (error) {
    if (signal.aborted) {
      note("tidings: Interrupted. The same command goes on from here.");
      return exitCodes.interrupted;
    }
    if (!(error instanceof ArchiveRefusedError)) throw error;
    note(`tidings: ${error.message}`);
    return exitCodes.failed;
  } finally {
    source.close();
  }
}

/** A line for each stage, and then one a second at most. */
function createStepLines(clock: Clock, note: (line: string) => void): (step: MigrationStep) => void {
  let stage = "";
  let nextMs = 0;
  return (step) => {
    const isEnd = step.done === step.total;
    if (step.stage === stage && clock.monotonicMs() < nextMs && !isEnd) return;
    stage = step.stage;
    nextMs = clock.monotonicMs() + lineMsMin;
    const of = step.total === undefined ? "" : ` of ${figure(step.total)}`;
    note(`${stage}: ${figure(step.done)}${of}`);
  };
}

const lineMsMin = 1_000;

function report(
  { json, print }: MigrationProgram,
  { summary, seconds }: { summary: MigrationSummary; seconds: number },
): void {
  const { counts, notified, resumed, wasFinished } = summary;
  if (json) {
    const fields = Object.entries(counts).map(([kind, count]) => [snakeCase(kind), count]);
    print(JSON.stringify({ ...Object.fromEntries(fields), notified, seconds: Number(seconds.toFixed(3)), resumed }));
    return;
  }
  if (wasFinished) {
    print("This installation was migrated into this database before, completely: nothing was done.");
    return;
  }
  for (const kind of Object.keys(counts) as (keyof typeof counts)[])
    print(`${labels[kind].padEnd(26)}${figure(counts[kind])}`);
  if (notified > 0) print(`${"notified meanwhile".padEnd(26)}${figure(notified)}`);
  print(
    `Everything is there, and equal (${seconds.toFixed(1)} s). Start the fleet on it, and this data folder no more.`,
  );
}

const labels: Readonly<Record<ArchiveKind | "entries", string>> = {
  entries: "entries",
  accounts: "accounts",
  tokens: "tokens",
  markers: "read markers and modes",
  invites: "invitations",
  inviteUses: "uses of invitations",
  directs: "members, direct",
  notifications: "notifications",
  conversations: "conversations",
  groups: "groups",
  memberships: "members of groups",
};

const figure = (number: number): string => number.toLocaleString("en");
const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
