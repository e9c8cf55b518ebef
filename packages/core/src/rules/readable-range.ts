import { asSeq, type History, type Seq } from "@tidings/protocol";
import type { Membership } from "../ports/group-store.ts";

/** The seqs that a user may read; `lastSeq` is absent where that is everything up to the head. */
export type ReadableRange = { readonly firstSeq: Seq; readonly lastSeq?: Seq };

/**
 * What a membership, active or ended, lets its user read (G7). Undefined: nothing, because he was never in.
 * A direct conversation has no `history` setting: both users read all of it.
 */
export function readableRange(membership: Membership, history: History | undefined): ReadableRange | undefined {
  if (membership.joinedSeq === 0) return undefined;
  const firstSeq = history === "since-join" ? membership.joinedSeq : asSeq(1);
  return membership.endedSeq === undefined ? { firstSeq } : { firstSeq, lastSeq: membership.endedSeq };
}
