import Type, { type Static } from "typebox";
import {
  descriptionSchema,
  entrySchema,
  groupNameSchema,
  historySchema,
  oneLinePattern,
  roleSchema,
  visibilitySchema,
} from "./entries.ts";
import {
  conversationIdPattern,
  conversationIdSchema,
  cursorSchema,
  inviteIdSchema,
  seqSchema,
  tokenIdSchema,
  userIdSchema,
} from "./ids.ts";
import { limits } from "./limits.ts";

/** The nouns that requests, answers and frames share. */

const closed = { additionalProperties: false } as const;
const timeMs = Type.Integer({ minimum: 0, description: "Milliseconds since 1970, UTC." });

export const nameSchema = Type.String({
  pattern: `^[A-Za-z0-9_][A-Za-z0-9_.-]{0,${limits.nameLengthMax - 1}}$`,
  description: "Unique on the server, whatever the case of its letters; what people type after @.",
});
export const displayNameSchema = Type.String({
  minLength: 1,
  maxLength: limits.displayNameLengthMax,
  pattern: oneLinePattern,
});

export const userSchema = Type.Object(
  { user_id: userIdSchema, name: nameSchema, display_name: displayNameSchema },
  closed,
);
export type User = Static<typeof userSchema>;

/** What a client says that it has: conversation → the last seq that it holds of it (0 for none). */
export const haveSchema = Type.Record(Type.String({ pattern: conversationIdPattern }), cursorSchema, {
  ...closed,
  maxProperties: limits.conversationsPerUserMax,
  description:
    "conversation → last seq held (0: none). A conversation that is not named is answered with its head only.",
});

export const notifyModeSchema = Type.Union([Type.Literal("all"), Type.Literal("mentions"), Type.Literal("none")]);
export type NotifyMode = Static<typeof notifyModeSchema>;

export const conversationStateSchema = Type.Object(
  {
    conversation: conversationIdSchema,
    kind: Type.Union([Type.Literal("group"), Type.Literal("direct")]),
    name: Type.Optional(groupNameSchema),
    with_user: Type.Optional(userIdSchema),
    role: roleSchema,
    head: cursorSchema,
    first_seq: Type.Unsafe<Static<typeof seqSchema>>({
      ...seqSchema,
      description: "The first entry that the user may read.",
    }),
    joined_seq: Type.Unsafe<Static<typeof seqSchema>>({
      ...seqSchema,
      description: "The entry with which he last joined; 1 in a direct conversation.",
    }),
    read_seq: cursorSchema,
    unread: Type.Integer({ minimum: 0, description: "Messages after read_seq." }),
    notify: notifyModeSchema,
  },
  { ...closed, description: "A conversation as one of its members sees it." },
);
export type ConversationState = Static<typeof conversationStateSchema>;

export const groupSchema = Type.Object(
  {
    conversation: conversationIdSchema,
    name: groupNameSchema,
    description: descriptionSchema,
    visibility: visibilitySchema,
    history: historySchema,
    member_count: Type.Integer({ minimum: 0 }),
    role: Type.Optional(roleSchema),
  },
  { ...closed, description: "A group; `role` is the asking user's, absent where he is not a member." },
);
export type Group = Static<typeof groupSchema>;

export const memberSchema = Type.Object({ user: userSchema, role: roleSchema, joined_seq: seqSchema }, closed);
export type Member = Static<typeof memberSchema>;

export const inviteSchema = Type.Object(
  {
    invite_id: inviteIdSchema,
    conversation: conversationIdSchema,
    created_by: userIdSchema,
    created_at_ms: timeMs,
    expires_at_ms: Type.Optional(timeMs),
    uses_left: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);
export type Invite = Static<typeof inviteSchema>;

export const tokenInfoSchema = Type.Object(
  {
    token_id: tokenIdSchema,
    label: Type.String({ maxLength: 64 }),
    created_at_ms: timeMs,
    expires_at_ms: Type.Optional(timeMs),
    current: Type.Boolean(),
  },
  closed,
);
export type TokenInfo = Static<typeof tokenInfoSchema>;

export const notificationSchema = Type.Object(
  {
    n: Type.Integer({ minimum: 1, description: "The user's notifications are numbered 1, 2, 3 … without a hole." }),
    reason: Type.Union([Type.Literal("mention"), Type.Literal("direct"), Type.Literal("message")]),
    conversation: conversationIdSchema,
    seq: seqSchema,
    sender: userIdSchema,
    at_ms: timeMs,
  },
  closed,
);
export type Notification = Static<typeof notificationSchema>;

/**
 * - `complete`: with what was delivered the client has everything up to `head`.
 * - `truncated`: there is more; sync again from the last seq delivered.
 * - `new`: the client did not name the conversation, so nothing of it was delivered; name it with a seq to get entries.
 * - `ended`: the user is no longer a member and has everything up to `last_seq`, the last that he may read.
 */
export const syncStatusSchema = Type.Union([
  Type.Literal("complete"),
  Type.Literal("truncated"),
  Type.Literal("new"),
  Type.Literal("ended"),
]);
export type SyncStatus = Static<typeof syncStatusSchema>;

export const syncedConversationSchema = Type.Object(
  {
    conversation: conversationIdSchema,
    status: syncStatusSchema,
    head: cursorSchema,
    first_seq: seqSchema,
    last_seq: Type.Optional(seqSchema),
    from_seq: Type.Optional(seqSchema),
    entries: Type.Array(entrySchema),
    state: Type.Optional(conversationStateSchema),
  },
  {
    ...closed,
    description:
      "`from_seq` is the seq of the first of `entries`, absent where there are none. It is the cursor + 1, or " +
      "`first_seq` where what lies before it may not be read. `state` comes with the status `new`.",
  },
);
export type SyncedConversation = Static<typeof syncedConversationSchema>;
