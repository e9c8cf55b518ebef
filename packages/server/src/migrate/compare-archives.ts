import { isDeepStrictEqual } from "node:util";
import {
  type Archive,
  type ArchivedEntry,
  type ArchivedNotification,
  type ArchivedPiece,
  type ArchiveKind,
  type ArchiveRecords,
  ArchiveRefusedError,
  archiveKeyOf,
  compareArchiveKeys,
  copiedKinds,
  type EntryPlace,
  imageKinds,
} from "@tidings/core";
import type { ConversationId } from "@tidings/protocol";
import { type Copying, pageMax } from "./copy-archive.ts";
import { laggingGroups } from "./lagging-groups.ts";
import type { PendingRanges } from "./notify-pending.ts";
import { pagesOf } from "./pages-of.ts";

type Comparing = Copying & { readonly pending: PendingRanges };

/**
 * Compares two installations entry by entry and record by record, and counts what there is. Rejects with an ArchiveRefusedError that names
 * the first difference. Two differences are none: a group that the source had not folded to its end, and notifications that the
 * source owed, if an earlier run has made them here already.
 */
export async function compareArchives(options: Comparing): Promise<Readonly<Record<ArchiveKind | "entries", number>>> {
  const { source, pending } = options;
  const counts: Record<string, number> = { entries: await compareEntries(options) };
  const lagging = await laggingGroups(source);
  for (const kind of [...copiedKinds, ...imageKinds]) {
    const isImage = kind === "groups" || kind === "memberships";
    counts[kind] = await compareRecords(kind, {
      ...options,
      isLeftOut: (record) => isImage && lagging.has((record as { conversation: ConversationId }).conversation),
      isOwed: (record) => kind === "notifications" && pending.has(record as ArchivedNotification),
    });
  }
  return counts as Record<ArchiveKind | "entries", number>;
}

/** Equal installations give equal pages: the order and the size of a page do not depend on the engine. */
async function compareEntries({ source, target, signal, onStep }: Comparing): Promise<number> {
  const { entries: total } = await source.totals();
  let done = 0;
  for (let after: EntryPlace | undefined; ; ) {
    signal.throwIfAborted();
    const request = { limit: pageMax, ...(after !== undefined && { after }) };
    // The target first: its answer is on its way while the source is read.
    const [here, there] = await Promise.all([target.entries(request), source.entries(request)]);
    checkSame(there, here);
    const last = there.at(-1);
    if (last === undefined) return done;
    after = { conversation: last.conversation, seq: (last.entries.at(-1) as ArchivedEntry).seq };
    for (const { entries } of there) done += entries.length;
    onStep({ stage: "Comparing entries", done, total });
  }
}

function checkSame(source: readonly ArchivedPiece[], target: readonly ArchivedPiece[]): void {
  const [there, here] = [source.flatMap(placed), target.flatMap(placed)];
  for (let index = 0; index < Math.max(there.length, here.length); index += 1) {
    const [one, other] = [there[index], here[index]];
    if (one !== undefined && other !== undefined && isSame(one, other)) continue;
    const { conversation, seq } = (one ?? other) as Placed;
    throw new ArchiveRefusedError(
      `The copy is not equal: entry ${seq} of the conversation ${conversation} differs, or is on one side only.`,
    );
  }
}

type Placed = ArchivedEntry & { readonly conversation: ConversationId };

const placed = ({ conversation, entries }: ArchivedPiece): readonly Placed[] =>
  entries.map((entry) => ({ ...entry, conversation }));

const isSame = (one: Placed, other: Placed): boolean =>
  one.json === other.json &&
  one.conversation === other.conversation &&
  one.seq === other.seq &&
  one.kind === other.kind &&
  one.atMs === other.atMs &&
  one.messages === other.messages &&
  one.key?.sender === other.key?.sender &&
  one.key?.messageId === other.key?.messageId;

async function compareRecords<Kind extends ArchiveKind>(
  kind: Kind,
  options: Comparing & {
    isLeftOut: (record: ArchiveRecords[Kind]) => boolean;
    isOwed: (record: ArchiveRecords[Kind]) => boolean;
  },
): Promise<number> {
  const { source, target, signal, onStep, isLeftOut, isOwed } = options;
  const here = recordsOf(target, kind);
  let other = (await here.next()).value;
  let done = 0;
  const differs = (record: ArchiveRecords[Kind], how: string) =>
    new ArchiveRefusedError(`The copy is not equal: of ${kind}, ${archiveKeyOf(kind, record)} ${how}.`);
  /** Passes over what is allowed to be here only, up to a key, or to the end. */
  const passTo = async (key: string | undefined): Promise<void> => {
    while (other !== undefined && (key === undefined || compareArchiveKeys(archiveKeyOf(kind, other), key) < 0)) {
      if (!isLeftOut(other) && !isOwed(other)) throw differs(other, "is in the copy only");
      other = (await here.next()).value;
    }
  };
  for await (const record of recordsOf(source, kind)) {
    signal.throwIfAborted();
    done += 1;
    if (done % pageMax === 1) onStep({ stage: `Comparing ${kind}`, done });
    if (isLeftOut(record)) continue;
    const key = archiveKeyOf(kind, record);
    await passTo(key);
    if (other === undefined || archiveKeyOf(kind, other) !== key) throw differs(record, "is missing in the copy");
    if (!isDeepStrictEqual({ ...other }, { ...record })) throw differs(record, "is another one in the copy");
    other = (await here.next()).value;
  }
  await passTo(undefined);
  return done;
}

async function* recordsOf<Kind extends ArchiveKind>(
  archive: Archive,
  kind: Kind,
): AsyncGenerator<ArchiveRecords[Kind], undefined> {
  for await (const page of pagesOf(archive, kind, pageMax)) yield* page;
  return undefined;
}
