import { invariant } from "../invariant.ts";
import type { ArchiveKind, ArchiveRecords } from "../ports/archive.ts";

/** What a record of each kind is known by. */
const keys: { readonly [Kind in ArchiveKind]: (record: ArchiveRecords[Kind]) => readonly (string | number)[] } = {
  accounts: ({ user }) => [user],
  tokens: ({ token }) => [token],
  markers: ({ conversation, user }) => [conversation, user],
  invites: ({ invite }) => [invite],
  inviteUses: ({ invite, user, joinedSeq }) => [invite, user, joinedSeq],
  directs: ({ conversation, user }) => [conversation, user],
  notifications: ({ user, n }) => [user, n],
  conversations: ({ conversation }) => [conversation],
  groups: ({ conversation }) => [conversation],
  memberships: ({ conversation, user }) => [conversation, user],
};

/** The key of a record as a text, as pages of an archive have it. */
export function archiveKeyOf<Kind extends ArchiveKind>(kind: Kind, record: ArchiveRecords[Kind]): string {
  return JSON.stringify(keys[kind](record));
}

/** The parts of such a text. */
export function archiveKeyParts(key: string): readonly (string | number)[] {
  const parts: unknown = JSON.parse(key);
  invariant(Array.isArray(parts), "The key of a record is a list of its parts.");
  return parts;
}

/** Which of two keys of one kind comes first: negative, 0 or positive, as a sort wants it. */
export function compareArchiveKeys(one: string, other: string): number {
  const others = archiveKeyParts(other);
  for (const [index, part] of archiveKeyParts(one).entries()) {
    const counterpart = others[index] as typeof part;
    if (part !== counterpart) return part < counterpart ? -1 : 1;
  }
  return 0;
}
