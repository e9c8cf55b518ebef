import type { EncodedEntry, EntryRange, Head, MessageStore } from "@tidings/core";
import { asSeq, type ConversationId } from "@tidings/protocol";
import type { Reader } from "./reader.ts";
import type { KnownEntries, RecentEntries } from "./recent-entries.ts";
import { entryKinds } from "./schema.ts";
import type { Writer } from "./writer.ts";

export function createSqliteMessageStore(parts: {
  writer: Writer;
  reader: Reader;
  recent: RecentEntries;
}): MessageStore {
  const { writer, reader, recent } = parts;

  const readEntries = async (range: EntryRange): Promise<readonly EncodedEntry[]> => {
    const { fromSeq, kinds, json } = await reader.call("entries", range);
    return json.map((text, index): EncodedEntry => {
      const kind = entryKinds[kinds[index] ?? -1] ?? "message";
      return { seq: asSeq(fromSeq + index), kind, json: text };
    });
  };

  /** Puts before the newest entries, which are known, what of the older ones has room. */
  const readBefore = async (range: EntryRange, known: KnownEntries): Promise<readonly EncodedEntry[]> => {
    let charactersLeft = range.charactersMax;
    for (const { json } of known.entries) charactersLeft -= json.length;
    if (charactersLeft <= 0) return known.entries;
    const older = await readEntries({ ...range, toSeq: asSeq(known.from - 1), charactersMax: charactersLeft });
    return [...older, ...known.entries];
  };

  return {
    append: (request) => writer.append(request),
    async entries(range) {
      // What is recent is taken before the rest is read: meanwhile it may be forgotten here.
      const known = recent.entries(range);
      if (known === undefined) return readEntries(range);
      if (known.from === range.fromSeq) return known.entries;
      if (range.keep === "newest" && known.entries.length > 0) return readBefore(range, known);
      const toSeq = asSeq(Math.min(range.toSeq, known.from - 1));
      const older = await readEntries({ ...range, toSeq });
      return range.keep === "newest" ? older : upToCharacters([...older, ...known.entries], range.charactersMax);
    },
    async heads(conversations) {
      const heads = new Map<ConversationId, Head>();
      const unknown: ConversationId[] = [];
      for (const conversation of conversations) {
        const head = recent.head(conversation);
        if (head === undefined) unknown.push(conversation);
        else heads.set(conversation, head);
      }
      if (unknown.length === 0) return heads;
      for (const [conversation, head] of await reader.call("heads", unknown)) heads.set(conversation, head);
      // The reader may have seen a commit whose entries are not known here yet.
      await writer.whenKnown(unknown);
      return heads;
    },
    async messagesUpTo(points) {
      const counts = points.map(({ conversation, seq }) => (seq === 0 ? 0 : recent.messagesUpTo(conversation, seq)));
      const unknown = points.filter((_, index) => counts[index] === undefined);
      const found = unknown.length === 0 ? [] : await reader.call("messagesUpTo", unknown);
      let next = 0;
      return counts.map((count) => count ?? found[next++] ?? 0);
    },
  };
}

/** The entries up to the one that reaches the characters. */
function upToCharacters(entries: readonly EncodedEntry[], charactersMax: number): readonly EncodedEntry[] {
  let characters = 0;
  for (const [index, { json }] of entries.entries()) {
    characters += json.length;
    if (characters >= charactersMax) return entries.slice(0, index + 1);
  }
  return entries;
}
