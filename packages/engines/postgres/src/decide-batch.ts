import { type AppendOutcome, type AppendRequest, type EntryDraft, invariant, type Stored } from "@tidings/core";
import { asSeq, type ConversationId } from "@tidings/protocol";
import { entryKinds } from "./schema.ts";

/** A conversation as a batch finds it; one without a row has the head 0 and the key that it will get. */
export type KnownHead = {
  readonly key: number;
  readonly head: number;
  readonly groupSeq: number;
  readonly messages: number;
};

/** An entry as a row. */
export type EntryRow = {
  readonly conversationKey: number;
  readonly seq: number;
  readonly atMs: number;
  readonly messages: number;
  readonly kind: number;
  readonly sender: string;
  readonly messageId: string;
  readonly json: string;
};

export type ChangedHead = {
  readonly conversation: ConversationId;
  readonly before: KnownHead;
  readonly now: KnownHead;
};

export type DecidedBatch = {
  readonly outcomes: readonly AppendOutcome[];
  readonly entries: readonly EntryRow[];
  readonly changed: readonly ChangedHead[];
  /** Something was refused because of a head: it must be the true one. */
  readonly hasConflict: boolean;
};

/** Tells what is known of the stored requests with keys. */
export type FindStored = (conversationKey: number, key: NonNullable<AppendRequest["key"]>) => Stored | undefined;

/** What becomes of requests, one after the other, on these heads. Pure; whether the heads were the true ones is seen when it is stored. */
export function decideBatch(
  requests: readonly AppendRequest[],
  known: ReadonlyMap<ConversationId, KnownHead>,
  findStored: FindStored,
): DecidedBatch {
  const heads = new Map<ConversationId, Moving>();
  const made = new Map<string, Stored>();
  const entries: EntryRow[] = [];
  let hasConflict = false;

  const headOf = (conversation: ConversationId): Moving => {
    let head = heads.get(conversation);
    if (head === undefined) {
      const before = known.get(conversation);
      invariant(before !== undefined, "The heads of a batch's conversations are known.");
      head = { before, ...before };
      heads.set(conversation, head);
    }
    return head;
  };

  const decide = ({ conversation, drafts, key, ifGroupSeq }: AppendRequest): AppendOutcome => {
    const [first] = drafts;
    invariant(first !== undefined, "An append has at least one draft.");
    const head = headOf(conversation);
    const name = key && keyText(head.key, key);
    const original = key && (made.get(name as string) ?? findStored(head.key, key));
    if (original !== undefined) return { outcome: "duplicate", ...original };
    if (ifGroupSeq !== undefined && ifGroupSeq !== head.groupSeq) {
      hasConflict = true;
      return { outcome: "conflict", groupSeq: asSeq(head.groupSeq) };
    }
    const firstSeq = asSeq(head.head + 1);
    if (name !== undefined) made.set(name, { seq: firstSeq, atMs: first.atMs });
    for (const [index, draft] of drafts.entries()) {
      // A request's key stands with its first entry.
      const named = index === 0 ? key : undefined;
      entries.push(move(head, draft, named));
    }
    return { outcome: "appended", firstSeq, lastSeq: asSeq(head.head) };
  };

  const outcomes = requests.map(decide);
  const changed: ChangedHead[] = [];
  for (const [conversation, { before, ...now }] of heads) {
    if (now.head > before.head) changed.push({ conversation, before, now });
  }
  return { outcomes, entries, changed, hasConflict };
}

type Moving = { readonly before: KnownHead; readonly key: number; head: number; groupSeq: number; messages: number };

function move(head: Moving, { kind, atMs, json }: EntryDraft, key: AppendRequest["key"]): EntryRow {
  head.head += 1;
  const seq = head.head;
  if (kind === "message") head.messages += 1;
  else head.groupSeq = seq;
  const entry = { seq, atMs, kind, json: `{"seq":${seq},${json.slice(1)}` };
  return rowOf(key === undefined ? entry : { ...entry, key }, head);
}

/** The row of an entry, in a conversation that has come to it. */
export const rowOf = (
  {
    seq,
    atMs,
    kind,
    key,
    json,
  }: Omit<EntryDraft, "json"> & Pick<EntryRow, "seq" | "json"> & Pick<AppendRequest, "key">,
  head: Pick<KnownHead, "key" | "messages">,
): EntryRow => ({
  conversationKey: head.key,
  seq,
  atMs,
  messages: head.messages,
  kind: entryKinds.indexOf(kind),
  sender: key?.sender ?? "",
  messageId: key?.messageId ?? "",
  json,
});

export const keyText = (conversationKey: number, { sender, messageId }: NonNullable<AppendRequest["key"]>): string =>
  `${conversationKey} ${sender} ${messageId}`;
