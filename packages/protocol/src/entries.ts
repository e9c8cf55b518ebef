import Type, { type Static } from "typebox";
import { messageIdSchema, seqSchema, userIdSchema } from "./ids.ts";
import { limits } from "./limits.ts";

/** An entry is one thing that happened in a conversation. It is never rewritten. */

export const roleSchema = Type.Union([Type.Literal("owner"), Type.Literal("admin"), Type.Literal("member")]);
export type Role = Static<typeof roleSchema>;

/** `public`: listed, anybody may join. `private`: neither; by invitation. */
export const visibilitySchema = Type.Union([Type.Literal("public"), Type.Literal("private")]);
export type Visibility = Static<typeof visibilitySchema>;

/** What a new member may read: everything, or what came since he last joined. */
export const historySchema = Type.Union([Type.Literal("everything"), Type.Literal("since-join")]);
export type History = Static<typeof historySchema>;

/** Names stand in one line of a list or a terminal, where a control character could pretend to be something else. */
export const oneLinePattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$";

// Its size is counted in bytes, which a schema cannot: `text-too-large` is thrown by `checkMessageSize`.
export const textSchema = Type.String({
  minLength: 1,
  description: `At most ${limits.textBytesMax} bytes of UTF-8.`,
});
export const mentionsSchema = Type.Array(userIdSchema, {
  maxItems: limits.mentionsMax,
  uniqueItems: true,
  description: "The users that the text mentions. The server never guesses them from the text.",
});
export const metadataSchema = Type.Record(Type.String(), Type.Unknown(), {
  description: `Whatever the sender's program wants to say; at most ${limits.metadataBytesMax} bytes of JSON.`,
});
export const groupNameSchema = Type.String({
  minLength: 1,
  maxLength: limits.groupNameLengthMax,
  pattern: oneLinePattern,
});
/** Many lines, but no U+0000, which not every database keeps in a text. */
export const descriptionSchema = Type.String({ maxLength: limits.descriptionLengthMax, pattern: "^[^\\x00]*$" });

const common = {
  seq: seqSchema,
  at_ms: Type.Integer({ minimum: 0, description: "When the server took it: milliseconds since 1970, UTC." }),
};

export const messageEntrySchema = Type.Object(
  {
    ...common,
    kind: Type.Literal("message"),
    sender: userIdSchema,
    message_id: messageIdSchema,
    text: textSchema,
    mentions: Type.Optional(mentionsSchema),
    metadata: Type.Optional(metadataSchema),
  },
  { additionalProperties: false },
);

export const memberJoinedEntrySchema = Type.Object(
  {
    ...common,
    kind: Type.Literal("member-joined"),
    user: userIdSchema,
    role: roleSchema,
    via: Type.Union([Type.Literal("creation"), Type.Literal("join"), Type.Literal("invite")]),
  },
  { additionalProperties: false },
);

export const memberLeftEntrySchema = Type.Object(
  { ...common, kind: Type.Literal("member-left"), user: userIdSchema },
  { additionalProperties: false },
);

export const memberRemovedEntrySchema = Type.Object(
  { ...common, kind: Type.Literal("member-removed"), user: userIdSchema, by: userIdSchema, banned: Type.Boolean() },
  { additionalProperties: false },
);

export const groupChangedEntrySchema = Type.Object(
  {
    ...common,
    kind: Type.Literal("group-changed"),
    by: userIdSchema,
    name: Type.Optional(groupNameSchema),
    description: Type.Optional(descriptionSchema),
    visibility: Type.Optional(visibilitySchema),
    history: Type.Optional(historySchema),
    roles: Type.Optional(
      Type.Record(Type.String(), roleSchema, { description: "user id → new role, where roles changed." }),
    ),
    unbanned: Type.Optional(userIdSchema),
    closed: Type.Optional(Type.Literal(true, { description: "The last member left; the group is no more." })),
  },
  {
    additionalProperties: false,
    description: "A setting, a role, or a ban changed. Seq 1 of a group is its creation.",
  },
);

export const entrySchema = Type.Union([
  messageEntrySchema,
  memberJoinedEntrySchema,
  memberLeftEntrySchema,
  memberRemovedEntrySchema,
  groupChangedEntrySchema,
]);

export type MessageEntry = Static<typeof messageEntrySchema>;
export type MemberJoinedEntry = Static<typeof memberJoinedEntrySchema>;
export type MemberLeftEntry = Static<typeof memberLeftEntrySchema>;
export type MemberRemovedEntry = Static<typeof memberRemovedEntrySchema>;
export type GroupChangedEntry = Static<typeof groupChangedEntrySchema>;
export type Entry = MessageEntry | MemberJoinedEntry | MemberLeftEntry | MemberRemovedEntry | GroupChangedEntry;
export type EntryKind = Entry["kind"];
