import {
  asSeq,
  type ConversationId,
  type ConversationState,
  directUsers,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import { defaultNotifyMode, type Head, type Marker, type Stores, type UserConversation } from "@tidings/core";
import type { Access, AccessService } from "../services.ts";

/** Conversations as one of their members sees them. A user's whole list costs four calls of the databases at most. */
export function createConversationStates(
  stores: Pick<Stores, "groups" | "messages" | "markers">,
  parts: {
    accessAsMember(conversation: ConversationId, user: UserId): Promise<Access>;
    conversationsOf(user: UserId): Promise<readonly UserConversation[]>;
    catchUp(conversation: ConversationId): Promise<void>;
  },
): Pick<AccessService, "states" | "state"> {
  return {
    async states(user) {
      for (let attempt = 1; ; attempt += 1) {
        const found = await parts.conversationsOf(user);
        const heads = await stores.messages.heads(found.map(({ membership }) => membership.conversation));
        const behind = found.filter((one) => isBehind(one, heads));
        if (behind.length === 0) return statesOf(user, found, heads);
        if (attempt === attemptsMax) throw new TidingsError("unavailable", { detail: "The groups keep changing." });
        for (const { membership } of behind) await parts.catchUp(membership.conversation);
      }
    },
    async state(user, conversation) {
      // Before the right, so that the head is not above a removal that the right does not know of yet (G7).
      const heads = await stores.messages.heads([conversation]);
      const access = await parts.accessAsMember(conversation, user);
      // A direct conversation that was opened and has no message yet has no head; nor has a group that was made just now.
      const head = heads.get(conversation) ?? noEntries;
      const [state] = await statesOf(user, [access], new Map([[conversation, head]]));
      return state as ConversationState;
    },
  };

  async function statesOf(
    user: UserId,
    found: readonly UserConversation[],
    heads: ReadonlyMap<ConversationId, Head>,
  ): Promise<readonly ConversationState[]> {
    const withEntries = found.flatMap((one) => {
      const head = heads.get(one.membership.conversation);
      return head === undefined ? [] : [{ ...one, head, firstSeq: firstSeqOf(one) }];
    });
    const [markers, hidden] = await Promise.all([
      stores.markers.markers(
        user,
        withEntries.map(({ membership }) => membership.conversation),
      ),
      hiddenMessages(withEntries),
    ]);
    return withEntries.map((one, index) => {
      const marker = markers[index] ?? neverSet;
      const hiddenCount = hidden.get(one.membership.conversation) ?? 0;
      return toState(user, { ...one, marker, unread: one.head.messages - Math.max(marker.readMessages, hiddenCount) });
    });
  }

  /** How many messages came before the first that the user may read, where there may be any. */
  async function hiddenMessages(
    found: readonly (UserConversation & { firstSeq: number })[],
  ): Promise<ReadonlyMap<ConversationId, number>> {
    const points = found.flatMap(({ membership, firstSeq }) =>
      firstSeq > 1 ? [{ conversation: membership.conversation, seq: asSeq(firstSeq - 1) }] : [],
    );
    if (points.length === 0) return new Map();
    const counts = await stores.messages.messagesUpTo(points);
    return new Map(points.map(({ conversation }, index) => [conversation, counts[index] ?? 0]));
  }
}

function toState(user: UserId, { membership, group, head, marker, firstSeq, unread }: Situation): ConversationState {
  const { conversation, role, joinedSeq } = membership;
  const pair = directUsers(conversation);
  return {
    conversation,
    kind: pair === undefined ? "group" : "direct",
    ...(group !== undefined && { name: group.name }),
    ...(pair !== undefined && { with_user: pair[0] === user ? pair[1] : pair[0] }),
    role,
    head: head.head,
    first_seq: asSeq(firstSeq),
    joined_seq: joinedSeq,
    read_seq: marker.readSeq,
    unread: Math.max(0, unread),
    notify: marker.notify ?? defaultNotifyMode(conversation),
  };
}

type Situation = UserConversation & { head: Head; marker: Marker; firstSeq: number; unread: number };

const firstSeqOf = ({ membership, group }: UserConversation): number =>
  group?.history === "since-join" ? membership.joinedSeq : 1;

const isBehind = ({ membership, group }: UserConversation, heads: ReadonlyMap<ConversationId, Head>): boolean =>
  (heads.get(membership.conversation)?.groupSeq ?? 0) > (group?.appliedSeq ?? 0);

const neverSet: Marker = { readSeq: asSeq(0), readMessages: 0, notify: undefined };
const noEntries: Head = { head: asSeq(0), groupSeq: asSeq(0), messages: 0 };
const attemptsMax = 10;
