import type { ConversationId, ConversationState, EndedFrame, Entry } from "@tidings/protocol";

/** One conversation as the inbox holds it. */
export type Held = {
  readonly conversation: ConversationId;
  cursor: number;
  head: number;
  firstSeq: number;
  /** `unconfirmed`: named by us, not confirmed by the server. `ending`: over, but we lack entries up to `lastSeq`. */
  phase: "unconfirmed" | "active" | "ending" | "ended";
  lastSeq: number | undefined;
  reason: EndedFrame["reason"] | undefined;
  lastEntry: Entry | undefined;
  /** The cursor that our last hello or poll said; undefined where it did not name the conversation. */
  named: number | undefined;
  /** The cursor when this link took over from another that was still in use; 0 where none was. */
  movedAt: number;
  /** The cursor when we asked last. */
  askedAt: number;
  truncated: boolean;
  /** While an answer is read: is it in it? */
  answered: boolean;
  notBeforeMs: number;
  stalls: number;
};

export const heldFrom = (conversation: ConversationId, cursor: number): Held => ({
  conversation,
  cursor,
  head: cursor,
  firstSeq: 1,
  phase: "unconfirmed",
  lastSeq: undefined,
  reason: undefined,
  lastEntry: undefined,
  named: undefined,
  movedAt: 0,
  askedAt: cursor,
  truncated: false,
  answered: false,
  notBeforeMs: 0,
  stalls: 0,
});

/** The cursor of a conversation that was not held before. */
export function beginning(state: ConversationState, unknown: Unknown): number {
  if (unknown === "from-head") return state.head;
  return (unknown === "since-join" ? state.joined_seq : state.first_seq) - 1;
}

export type Unknown = "from-head" | "since-join" | "everything";

/** What appears later is taken from the join on even by those who begin at the head: nothing of it was seen by them. */
export const laterUnknown = (unknown: Unknown) => (unknown === "from-head" ? "since-join" : unknown);

/** Polls and resumes do not say why a conversation ended; its last entry does, where it was about us. */
export function reasonOf(last: Entry | undefined): EndedFrame["reason"] | undefined {
  if (last?.kind === "member-left") return "left";
  if (last?.kind === "member-removed") return last.banned ? "banned" : "removed";
  return undefined;
}
