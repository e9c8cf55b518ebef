import { asSeq, type ConversationId } from "@tidings/protocol";
import type { AppendOutcome, Delivery, EncodedEntry, LoggedRequest } from "@tidings/core";

/** What a batch added to its conversations: a contiguous range for each, encoded as the Messaging DB stores it. */
export function appliedRanges(
  requests: readonly LoggedRequest[],
  outcomes: readonly AppendOutcome[],
): readonly Delivery[] {
  const ranges = new Map<ConversationId, EncodedEntry[]>();
  for (const [index, { conversation, drafts }] of requests.entries()) {
    const outcome = outcomes[index];
    if (outcome?.outcome !== "appended") continue;
    const entries = ranges.get(conversation) ?? [];
    ranges.set(conversation, entries);
    for (const [place, { kind, json }] of drafts.entries()) {
      const seq = asSeq(outcome.firstSeq + place);
      entries.push({ seq, kind, json: `{"seq":${seq},${json.slice(1)}` });
    }
  }
  return [...ranges].map(([conversation, entries]) => ({
    conversation,
    fromSeq: entries[0]?.seq ?? asSeq(0),
    entries,
  }));
}
