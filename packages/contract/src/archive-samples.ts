import {
  type Archive,
  type ArchivedEntry,
  type ArchiveRecords,
  archiveKeyOf,
  compareArchiveKeys,
  encodeDraft,
  type EntryBody,
} from "@tidings/core";
import { asSeq, type ConversationId, directConversationId } from "@tidings/protocol";
import { messageIdOf } from "./fill-installation.ts";
import type { ArchiveContent, PlacedEntry } from "./read-archive.ts";
import { fresh, times } from "./samples.ts";

/** A small installation with something of everything that is copied; what follows from its entries is for the target to make. */
export function sampleContent(messages = 40) {
  const [ann, bob] = [fresh.user(), fresh.user()].sort() as [
    ReturnType<typeof fresh.user>,
    ReturnType<typeof fresh.user>,
  ];
  const group = fresh.conversation();
  const direct = directConversationId(ann, bob);
  const said: EntryBody[] = [
    { kind: "group-changed", by: ann, name: "Ünder öne röof 😀", visibility: "public" },
    { kind: "member-joined", user: ann, role: "owner", via: "creation" },
    { kind: "member-joined", user: bob, role: "member", via: "join" },
    ...times(messages, (round): EntryBody => message(ann, round)),
    { kind: "member-left", user: bob },
  ];
  const account = (user: typeof ann, more: object = {}) => ({
    ...{ user, name: `N${fresh.name()}`, displayName: "№ 😀", createdAtMs: 1_000, ...more },
  });
  const token = (more: object = {}) => ({
    ...{ token: fresh.token(), user: ann, secretHash: "hash", label: "of a test", createdAtMs: 2_000, ...more },
  });
  const membership = { conversation: direct, role: "member", state: "active", joinedSeq: asSeq(1) } as const;
  const invite = (more: object = {}) => ({
    ...{ invite: fresh.invite(), codeHash: fresh.name(), conversation: group, createdBy: ann, createdAtMs: 3_000 },
    ...{ uses: 0, revoked: false, ...more },
  });
  const used = invite({ uses: 2, usesMax: 5, expiresAtMs: 9_000_000 });
  const notification = (n: number) => ({
    ...({
      user: ann,
      n,
      reason: "mention",
      conversation: group,
      seq: asSeq(n + 3),
      sender: bob,
      at_ms: 4_000,
    } as const),
  });
  const content: ArchiveContent = {
    entries: sortedBy(placeOf, [
      ...entriesOf(group, said),
      ...entriesOf(
        direct,
        times(messages, (round) => message(bob, round)),
      ),
    ]),
    records: {
      accounts: sorted("accounts", [account(ann, { passwordHash: "$argon2id$…" }), account(bob)]),
      tokens: sorted("tokens", [token(), token({ expiresAtMs: 7_000_000 }), token({ revokedAtMs: 2_500 })]),
      markers: sorted("markers", [
        { conversation: group, user: ann, readSeq: asSeq(9), readMessages: 6 },
        { conversation: direct, user: bob, readSeq: asSeq(0), readMessages: 0, notify: "none" },
      ]),
      invites: sorted("invites", [invite(), used, invite({ revoked: true })]),
      inviteUses: sorted("inviteUses", [
        { invite: used.invite, user: bob, joinedSeq: asSeq(0), pending: false },
        { invite: used.invite, user: bob, joinedSeq: asSeq(12), pending: true },
      ]),
      directs: sorted("directs", [
        { ...membership, user: ann },
        { ...membership, user: bob },
      ]),
      // The tenth comes after the ninth, though not as a text.
      notifications: times(12, (index) => notification(index + 1)),
      conversations: [],
      groups: [],
      memberships: [],
    },
  };
  return { content, ann, bob, group, direct };
}

const message = (sender: ReturnType<typeof fresh.user>, round: number): EntryBody => ({
  ...{ kind: "message", sender, message_id: messageIdOf(round), text: `Line ${round}: "ä" \u001f \\ 😀` },
});

function entriesOf(conversation: ConversationId, bodies: readonly EntryBody[]): PlacedEntry[] {
  let messages = 0;
  return bodies.map((body, index) => {
    const seq = asSeq(index + 1);
    const { kind, atMs, json } = encodeDraft(body, 5_000 + index);
    if (body.kind === "message") messages += 1;
    const key = body.kind === "message" && { key: { sender: body.sender, messageId: body.message_id } };
    return { conversation, seq, kind, atMs, messages, json: `{"seq":${seq},${json.slice(1)}`, ...key };
  });
}

const sorted = <Kind extends keyof ArchiveContent["records"]>(
  kind: Kind,
  records: ArchiveContent["records"][Kind],
): ArchiveContent["records"][Kind] => {
  const keyOf = (record: (typeof records)[number]) => archiveKeyOf(kind, record as never);
  return [...records].sort((a, b) => compareArchiveKeys(keyOf(a), keyOf(b))) as typeof records;
};

const placeOf = ({ conversation, seq }: PlacedEntry): string => `${conversation} ${String(seq).padStart(9, "0")}`;
const sortedBy = <Item>(of: (item: Item) => string, items: readonly Item[]): readonly Item[] =>
  [...items].sort((a, b) => (of(a) < of(b) ? -1 : 1));

/** The content as an archive shows it. */
export function archiveOfContent({ entries, records }: ArchiveContent): Archive {
  return {
    totals: async () => ({
      conversations: new Set(entries.map(({ conversation }) => conversation)).size,
      entries: entries.length,
    }),
    async entries({ after, limit }) {
      const from = after === undefined ? 0 : entries.findIndex((one) => placeOf(one) > placeOf(after as PlacedEntry));
      if (from === -1) return [];
      const pieces = new Map<ConversationId, ArchivedEntry[]>();
      for (const { conversation, ...entry } of entries.slice(from, from + limit)) {
        pieces.set(conversation, [...(pieces.get(conversation) ?? []), entry]);
      }
      return [...pieces].map(([conversation, ofPiece]) => ({ conversation, entries: ofPiece }));
    },
    async records(kind, { after, limit }) {
      const keyOf = (record: ArchiveRecords[typeof kind]) => archiveKeyOf(kind, record);
      const all = records[kind] as readonly ArchiveRecords[typeof kind][];
      const behind = all.filter((one) => after === undefined || compareArchiveKeys(keyOf(one), after) > 0);
      const items = behind.slice(0, limit);
      const last = items.at(-1);
      return behind.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
    },
  };
}
