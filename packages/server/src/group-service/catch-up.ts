import { asSeq, type ConversationId } from "@tidings/protocol";
import { membershipChangesOf, type MembershipChange, type Stores } from "@tidings/core";

/**
 * Folds into the Group DB what the entries of a conversation say and it does not have yet: after a crash between the
 * append of an entry and its application, or when another machine is between the two. Answers with the changes.
 */
export async function catchUp(
  { messages, groups }: Pick<Stores, "messages" | "groups">,
  conversation: ConversationId,
): Promise<readonly MembershipChange[]> {
  const head = (await messages.heads([conversation])).get(conversation);
  if (head === undefined) return [];
  const applied: MembershipChange[] = [];
  let nextSeq = ((await groups.group(conversation))?.appliedSeq ?? 0) + 1;
  while (nextSeq <= head.groupSeq) {
    const range = { conversation, fromSeq: asSeq(nextSeq), toSeq: head.groupSeq, charactersMax: pageCharactersMax };
    const entries = await messages.entries(range);
    const last = entries.at(-1);
    if (last === undefined) break;
    const changes = membershipChangesOf(entries);
    if (changes.length > 0) await groups.apply(conversation, changes);
    applied.push(...changes);
    nextSeq = last.seq + 1;
  }
  return applied;
}

const pageCharactersMax = 1024 * 1024;
