import {
  ArchiveRefusedError,
  type ArchiveKind,
  type ArchiveSource,
  type ArchiveTarget,
  copiedKinds,
  type Links,
} from "@tidings/core";
import { notifierName } from "../notifier/notifier.ts";
import type { Base } from "../services.ts";
import { compareArchives } from "./compare-archives.ts";
import { copyEntries, copyRecords } from "./copy-archive.ts";
import { foldGroups } from "./fold-groups.ts";
import { notifyPending, pendingRanges } from "./notify-pending.ts";

/** How far a migration is, for whoever watches. `total` is absent where nobody knows it. */
export type MigrationStep = { readonly stage: string; readonly done: number; readonly total?: number };

export type MigrationOptions = {
  readonly source: ArchiveSource;
  readonly target: ArchiveTarget;
  /** Over the stores of the target. */
  readonly base: Base;
  /** Nobody is connected to them. */
  readonly links: Links;
  readonly signal: AbortSignal;
  readonly onStep: (step: MigrationStep) => void;
};

export type MigrationSummary = {
  readonly counts: Readonly<Record<ArchiveKind | "entries", number>>;
  /** Notifications that the source still owed, and that were made here. */
  readonly notified: number;
  readonly resumed: boolean;
  /** It had been completed by an earlier run: nothing was done. */
  readonly wasFinished: boolean;
};

/**
 * Copies an installation into another engine, and leaves it ready to be served:
 *
 *     begin ─▶ entries ─▶ records ─▶ groups, folded from the entries ─▶ everything compared ─▶ what was owed is notified ─▶ finish
 *
 * It may be ended at any moment and run again: each step goes on from what the target holds, and is harmless when it was done. Before
 * the comparison is through, nobody can serve the target. Rejects with an ArchiveRefusedError, with a sentence for the
 * operator, if source and target do not belong together, or are not equal in the end; with the signal's reason if that aborts.
 */
export async function migrate(options: MigrationOptions): Promise<MigrationSummary> {
  const { source, target, base, signal, onStep } = options;
  const identity = await source.identity();
  const begun = await target.begin(identity);
  if (begun !== "finished") {
    const end = await target.end();
    const step = { source, target, signal, onStep };
    await copyEntries({ ...step, after: end.entries });
    for (const kind of copiedKinds) await copyRecords(kind, { ...step, after: end.records[kind] });
    await foldGroups(step, base.stores);
  }
  if (begun === "finished") return { counts: await countsOf(source), notified: 0, resumed: true, wasFinished: true };

  const pending = await pendingRanges(source);
  const counts = await compareArchives({ source, target, signal, onStep, pending });
  const notified = await notifyPending(options);
  if ((await source.identity()).state !== identity.state) {
    throw new ArchiveRefusedError(
      "The installation has changed while it was migrated: something else writes to its database.",
    );
  }
  // From now on the feed keeps for the notifier whatever comes, also what comes before a worker has started to follow it.
  const { newest } = await base.stores.feed.positions();
  await base.stores.feed.advance(notifierName, newest);
  await target.finish();
  return { counts, notified, resumed: begun === "resumed", wasFinished: false };
}

async function countsOf(source: ArchiveSource): Promise<MigrationSummary["counts"]> {
  const none = { groups: 0, memberships: 0, ...Object.fromEntries(copiedKinds.map((kind) => [kind, 0])) };
  return { ...none, ...(await source.totals()) } as MigrationSummary["counts"];
}
