import type { NotificationStore } from "@tidings/core";
import type { ConversationId, Seq, UserId } from "@tidings/protocol";
import type { World } from "../world/world.ts";
import type { Truth } from "./truth.ts";

/**
 * G9, in the end: whoever was mentioned by somebody else, was a member when the message was sequenced and is one still, has a notification
 * of it, and no more than one. Who left meanwhile may have one or none; who was no member then has none (G7), nor has anybody who is
 * notified of nothing: nobody sets a mode here.
 */
export async function checkMentions({ clients, servers, watch }: World): Promise<void> {
  const { truth } = watch;
  const store = servers.store.engines["notifications"] as NotificationStore;
  const wanted = new Map<string, Set<string>>();
  for (const [conversation, entries] of truth.conversations) {
    for (const { seq, entry } of entries) {
      if (entry.kind !== "message") continue;
      for (const user of entry.mentions ?? []) {
        const stay = truth.stayNow(conversation, user);
        if (user === entry.sender || stay === undefined || stay.joinedSeq >= seq) continue;
        wanted.set(user, (wanted.get(user) ?? new Set()).add(`${conversation} ${seq}`));
      }
    }
  }
  for (const { user } of new Map(clients.map((client) => [client.user, client])).values()) {
    const list = await store.list(user, { after: 0, limit: 1_000_000 });
    const seen = new Set<string>();
    for (const { conversation, seq } of list) {
      const about = `${conversation} ${seq}`;
      if (seen.has(about)) watch.report("G9", `${user} has two notifications of ${about}.`);
      seen.add(about);
      if (!isDue(truth, user, { conversation, seq }))
        watch.report("G7", `${user} has a notification of ${about}, which is none of his business.`);
    }
    for (const about of wanted.get(user) ?? []) {
      if (!seen.has(about)) watch.report("G9", `${user} was mentioned in ${about}, and has no notification of it.`);
    }
  }
}

/** Could the user be notified of the message: was he in the conversation, and mentioned or alone with its sender? */
function isDue(truth: Truth, user: UserId, { conversation, seq }: { conversation: ConversationId; seq: Seq }): boolean {
  const entry = truth.entry(conversation, seq)?.entry;
  if (entry?.kind !== "message" || entry.sender === user) return false;
  const isIn = truth
    .stays(conversation, user)
    .some(({ joinedSeq, endedSeq }) => seq >= joinedSeq && seq < (endedSeq ?? Number.POSITIVE_INFINITY));
  return isIn && (conversation.startsWith("d_") || entry.mentions?.includes(user) === true);
}
