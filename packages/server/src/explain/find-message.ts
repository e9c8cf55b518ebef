import { keysAtOnceMax, type LoggedKey, type Stores } from "@tidings/core";
import {
  asSeq,
  type ConversationId,
  directConversationId,
  directUsers,
  type Entry,
  type MessageId,
  type Seq,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import type { Place, StoredPlace } from "./findings.ts";
import type { FindKeys } from "./key-look-up.ts";
import type { LogLook } from "./log-look.ts";
import type { SetAside } from "./worker-trail.ts";

/** What somebody asks about, with users found. */
export type Wanted = {
  readonly user: UserId;
  readonly sender?: UserId;
  readonly conversation?: ConversationId;
} & ({ readonly seq: Seq } | { readonly messageId: MessageId });

/**
 * Finds the message: in the Messaging DB, in the log behind what is applied, among what was set aside. A message id is unique for
 * its sender in a conversation only, so who names neither has it looked for among the members of the user's conversations.
 */
export function createMessageFinder(parts: {
  stores: Pick<Stores, "messages" | "groups" | "memberships">;
  findKeys: FindKeys;
  /** In the log pipeline. */
  log?: LogLook;
  findSetAside: (wanted: Wanted & { messageId: MessageId }) => Promise<SetAside | undefined>;
}) {
  const { stores, findKeys, log, findSetAside } = parts;

  return async function findMessage(wanted: Wanted): Promise<Place> {
    if ("messageId" in wanted) return findByName(wanted);
    if (wanted.conversation === undefined) {
      throw new TidingsError("invalid-request", { detail: "A seq needs its conversation." });
    }
    return findBySeq(wanted.conversation, wanted.seq);
  };

  async function findBySeq(conversation: ConversationId, seq: Seq): Promise<Place> {
    const partition = await log?.stateOf(conversation);
    const stored = await read(conversation, seq);
    if (stored !== undefined) return { ...stored, ...(partition !== undefined && { partition }) };
    if (partition !== undefined && partition.endPosition > partition.appliedPosition) {
      return { state: "in-log", ...partition };
    }
    const head = (await stores.messages.heads([conversation])).get(conversation)?.head ?? 0;
    return { state: "absent", conversation, looked: `the head of ${conversation} is ${head}.` };
  }

  async function findByName(wanted: Wanted & { messageId: MessageId }): Promise<Place> {
    const { keys, exact } = await candidates(wanted);
    const found = (await findKeys(keys)).flatMap((stored, index) =>
      stored === undefined ? [] : [{ conversation: (keys[index] as LoggedKey).conversation, seq: stored.seq }],
    );
    const [first, ...others] = found;
    if (others.length > 0) {
      const places = found.slice(0, placesToldMax).map(({ conversation, seq }) => `${conversation} ${seq}`);
      throw new TidingsError("invalid-request", {
        detail: `Several messages are named so; name the conversation and the seq of one: ${places.join(", ")}.`,
      });
    }
    if (first !== undefined) return findBySeq(first.conversation, first.seq);

    const waiting = await log?.find(wanted);
    if (typeof waiting === "object") return { state: "in-log", ...waiting };
    const request = await findSetAside(wanted);
    if (request !== undefined) return { state: "set-aside", request };
    // A worker may have applied it between the two looks.
    for (const [index, meanwhile] of (await findKeys(keys)).entries()) {
      if (meanwhile !== undefined) return findBySeq((keys[index] as LoggedKey).conversation, meanwhile.seq);
    }
    if (waiting === "unknown") {
      const says =
        "more waits in the log than was looked at, and it may be there. Ask again when the workers have caught up.";
      return { state: "not-found", looked: says };
    }
    const [key] = keys;
    const looked = `${keys.length} senders in conversations were looked for it`;
    if (exact && key !== undefined) {
      const sentence = `${key.sender} has no message of this name in ${key.conversation}.`;
      return { state: "absent", conversation: key.conversation, looked: sentence };
    }
    return { state: "not-found", looked: `${looked}. Name its sender and its conversation.` };
  }

  /** `exact`: the message has no other place to be. */
  async function candidates(
    wanted: Wanted & { messageId: MessageId },
  ): Promise<{ keys: readonly LoggedKey[]; exact: boolean }> {
    const { conversation, sender, messageId } = wanted;
    const keys: LoggedKey[] = [];
    for (const one of conversation === undefined ? await conversationsOf(wanted) : [conversation]) {
      const senders = sender === undefined ? await sendersIn(one, wanted.user) : [sender];
      for (const user of senders) keys.push({ conversation: one, sender: user, messageId });
      if (keys.length >= keysAtOnceMax) break;
    }
    const exact = conversation !== undefined && (sender !== undefined || directUsers(conversation) !== undefined);
    return { keys: keys.slice(0, keysAtOnceMax), exact };
  }

  async function conversationsOf({ user, sender }: Wanted): Promise<Iterable<ConversationId>> {
    const users = sender === undefined || sender === user ? [user] : [user, sender];
    const lists = await Promise.all(users.map((one) => stores.memberships.conversationsOf(one)));
    const ids = new Set(lists.flat().map(({ membership }) => membership.conversation));
    if (sender !== undefined) ids.add(directConversationId(user, sender));
    return ids;
  }

  async function sendersIn(conversation: ConversationId, user: UserId): Promise<ReadonlySet<UserId>> {
    const pair = directUsers(conversation);
    if (pair !== undefined) return new Set(pair);
    const request = { state: "active", limit: keysAtOnceMax } as const;
    const { items } = await stores.groups.members(conversation, request);
    return new Set([...items.map((membership) => membership.user), user]);
  }

  async function read(conversation: ConversationId, seq: Seq): Promise<StoredPlace | undefined> {
    const range = { conversation, fromSeq: seq, toSeq: seq, charactersMax: 1 };
    const [encoded] = await stores.messages.entries(range);
    if (encoded === undefined) return undefined;
    // The store gives back what this program once encoded, so the shape needs no check.
    const entry = JSON.parse(encoded.json) as Entry;
    const place = {
      state: "stored",
      conversation,
      seq: asSeq(encoded.seq),
      kind: entry.kind,
      atMs: entry.at_ms,
    } as const;
    if (entry.kind !== "message") return place;
    const { sender, mentions, message_id: messageId } = entry;
    return { ...place, message: { sender, messageId, ...(mentions !== undefined && { mentions }) } };
  }
}

const placesToldMax = 10;
