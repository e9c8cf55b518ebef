import type { Archive } from "@tidings/core";
import { type ConversationId, directUsers } from "@tidings/protocol";
import { pageMax } from "./copy-archive.ts";
import { pagesOf } from "./pages-of.ts";

/**
 * Groups that are not folded up to their last entry that is not a message: a crash came between the two. A server mends that when it
 * looks at them; a copy is folded from its entries, and so is ahead.
 */
export async function laggingGroups(archive: Archive): Promise<ReadonlySet<ConversationId>> {
  const lagging = new Set<ConversationId>();
  const groups = groupsOf(archive);
  let group = (await groups.next()).value;
  for await (const page of pagesOf(archive, "conversations", pageMax)) {
    for (const { conversation, groupSeq } of page) {
      while (group !== undefined && group.conversation < conversation) group = (await groups.next()).value;
      const appliedSeq = group?.conversation === conversation ? group.appliedSeq : 0;
      if (appliedSeq < groupSeq && directUsers(conversation) === undefined) lagging.add(conversation);
    }
  }
  return lagging;
}

async function* groupsOf(archive: Archive) {
  for await (const page of pagesOf(archive, "groups", pageMax)) yield* page;
  return undefined;
}
