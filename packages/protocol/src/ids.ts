import Type from "typebox";

/**
 * Ids are branded: a string becomes one only by a schema or by the maker of ids, so that a
 * conversation can never be passed where a user is meant.
 */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** 1–64 characters. `u_…` for a local account, the `sub` of an outside identity provider otherwise. */
export type UserId = Branded<"UserId">;
/** `g_…` for a group, `d_A~B` for the direct conversation of the users A and B, in code unit order. */
export type ConversationId = Branded<"ConversationId">;
/** Chosen by the sender, unique for him within a conversation (G2). */
export type MessageId = Branded<"MessageId">;
export type SessionId = Branded<"SessionId">;
export type MachineId = Branded<"MachineId">;
export type TokenId = Branded<"TokenId">;
export type InviteId = Branded<"InviteId">;
/** Position of an entry in its conversation: 1, 2, 3 … without a hole. 0 stands for "before the first". */
export type Seq = number & { readonly [brand]: "Seq" };

export const asUserId = (text: string): UserId => text as UserId;
export const asConversationId = (text: string): ConversationId => text as ConversationId;
export const asMessageId = (text: string): MessageId => text as MessageId;
export const asSessionId = (text: string): SessionId => text as SessionId;
export const asMachineId = (text: string): MachineId => text as MachineId;
export const asTokenId = (text: string): TokenId => text as TokenId;
export const asInviteId = (text: string): InviteId => text as InviteId;
export const asSeq = (position: number): Seq => position as Seq;

/** `~` is not in it: it separates the two users in the id of a direct conversation. */
const userIdCharacters = "[A-Za-z0-9_.:@|+-]";

export const userIdSchema = Type.Unsafe<UserId>(
  Type.String({ pattern: `^${userIdCharacters}{1,64}$`, description: "A user." }),
);
export const conversationIdPattern = `^(g_[a-z0-9]{1,32}|d_${userIdCharacters}{1,64}~${userIdCharacters}{1,64})$`;
export const conversationIdSchema = Type.Unsafe<ConversationId>(
  Type.String({
    pattern: conversationIdPattern,
    description: "A conversation: `g_…` is a group, `d_A~B` the direct conversation of the users A and B.",
  }),
);
export const messageIdSchema = Type.Unsafe<MessageId>(
  Type.String({
    pattern: "^[A-Za-z0-9_.:-]{1,64}$",
    description: "The sender's own name for a message. A retry with the same name is stored once.",
  }),
);
export const sessionIdSchema = Type.Unsafe<SessionId>(Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}$" }));
export const tokenIdSchema = Type.Unsafe<TokenId>(Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}$" }));
export const inviteIdSchema = Type.Unsafe<InviteId>(Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}$" }));
/** A position of an entry that exists: at least 1. */
export const seqSchema = Type.Unsafe<Seq>(
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: "1, 2, 3 … without a hole." }),
);
/** A position that a client has reached: 0 means "nothing yet". */
export const cursorSchema = Type.Unsafe<Seq>(
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "The last seq held; 0 for none." }),
);

/** The id of the direct conversation between two users: the same whoever of them asks. */
export function directConversationId(one: UserId, other: UserId): ConversationId {
  return asConversationId(one < other ? `d_${one}~${other}` : `d_${other}~${one}`);
}

/** The two users of a direct conversation; undefined for a group. Both are the same user in a conversation with oneself. */
export function directUsers(conversation: ConversationId): readonly [UserId, UserId] | undefined {
  if (!conversation.startsWith("d_")) return undefined;
  const separator = conversation.indexOf("~");
  return [asUserId(conversation.slice(2, separator)), asUserId(conversation.slice(separator + 1))];
}
