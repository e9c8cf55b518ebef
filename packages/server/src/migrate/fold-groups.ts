import type { Archive, Stores } from "@tidings/core";
import { type ConversationId, directUsers } from "@tidings/protocol";
import { catchUp } from "../group-service/catch-up.ts";
import { type Copying, pageMax } from "./copy-archive.ts";
import { pagesOf } from "./pages-of.ts";

/** Groups whose entries are folded side by side. */
const atOnceMax = 8;

/** Makes the Group DB of the target from its entries, as far as that is not done yet. */
export async function foldGroups({ target, signal, onStep }: Copying, stores: Stores): Promise<void> {
  const groups = groupsOf(target);
  let done = 0;
  const fold = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted();
      const { value: conversation, done: isOver } = await groups.next();
      if (isOver || conversation === undefined) return;
      await catchUp(stores, conversation);
      done += 1;
      onStep({ stage: "Making groups from entries", done });
    }
  };
  await Promise.all(Array.from({ length: atOnceMax }, fold));
}

async function* groupsOf(archive: Archive): AsyncGenerator<ConversationId, undefined> {
  for await (const page of pagesOf(archive, "conversations", pageMax)) {
    for (const { conversation, groupSeq } of page) {
      if (groupSeq > 0 && directUsers(conversation) === undefined) yield conversation;
    }
  }
  return undefined;
}
