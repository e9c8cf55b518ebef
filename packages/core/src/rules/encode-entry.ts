import { asSeq, type Entry, type GroupChangedEntry, type Seq } from "@tidings/protocol";
import type { MembershipChange } from "../ports/group-store.ts";
import type { EncodedEntry, EntryDraft } from "../ports/message-store.ts";

type WithoutPlace<E> = E extends Entry ? Omit<E, "seq" | "at_ms"> : never;

/** What an entry says, before it has a position and a time. */
export type EntryBody = WithoutPlace<Entry>;
/** The bodies that a decision about a group may ask for. */
export type GroupEntryBody = Exclude<EntryBody, { kind: "message" }>;

/** The entry's JSON without its seq, which the store puts in front. */
export function encodeDraft(body: EntryBody, atMs: number): EntryDraft {
  const { kind, ...rest } = body;
  return { kind, atMs, json: JSON.stringify({ kind, at_ms: atMs, ...rest }) };
}

/** Whether an encoded message may mention somebody; most mention nobody, and need not be parsed to see it. A text may look like it. */
export const mayMention = (json: string): boolean => json.includes('"mentions":[');

/** What stored entries change in the image of their group, in order; messages change nothing. */
export function membershipChangesOf(entries: readonly EncodedEntry[]): readonly MembershipChange[] {
  const changes: MembershipChange[] = [];
  for (const entry of entries) {
    if (entry.kind === "message") continue;
    // The store gives back what this program once encoded, so the shape needs no check.
    const change = membershipChangeOf(JSON.parse(entry.json) as Entry, entry.seq);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/** The same for one entry that is not encoded; undefined for a message. */
export function membershipChangeOf(entry: EntryBody, seq: Seq): MembershipChange | undefined {
  switch (entry.kind) {
    case "message":
      return undefined;
    case "member-joined":
      return { change: "joined", seq, user: entry.user, role: entry.role };
    case "member-left":
      return { change: "left", seq, user: entry.user };
    case "member-removed":
      return { change: "removed", seq, user: entry.user, banned: entry.banned };
    case "group-changed":
      return { change: "settings", seq, ...settingsOf(entry) };
  }
}

/** The changes of drafts that were appended from `firstSeq` on. */
export function membershipChangesOfBodies(bodies: readonly EntryBody[], firstSeq: Seq): readonly MembershipChange[] {
  return bodies.flatMap((body, index) => membershipChangeOf(body, asSeq(firstSeq + index)) ?? []);
}

function settingsOf(entry: WithoutPlace<GroupChangedEntry>) {
  const { name, description, visibility, history, roles, unbanned, closed } = entry;
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(visibility !== undefined && { visibility }),
    ...(history !== undefined && { history }),
    ...(roles !== undefined && { roles }),
    ...(unbanned !== undefined && { unbanned }),
    ...(closed !== undefined && { closed }),
  };
}
