import type { NotificationStore } from "@tidings/core";
import type { World } from "../world/world.ts";

/**
 * G9, in the end: whoever was mentioned by somebody else, was a member when the message was sequenced and is one still, has a notification
 * of it, and no more than one. Who left meanwhile may have one or none.
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
    }
    for (const about of wanted.get(user) ?? []) {
      if (!seen.has(about)) watch.report("G9", `${user} was mentioned in ${about}, and has no notification of it.`);
    }
  }
}
